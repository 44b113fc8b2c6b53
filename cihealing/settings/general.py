"""The groups that belong to no provider."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import NoDecode

from cihealing.settings.group import (
    ColonSeparated,
    CommaSeparated,
    Group,
    Networks,
    named,
    parts,
    secret_named,
)


def _own_names() -> tuple[str, ...]:
    return "localhost", "127.0.0.1", "[::1]", socket.gethostname().lower()


class ServerSettings(Group):
    """The service itself."""

    env: Literal["embedded", "production"] = "embedded"
    """`production` refuses to start without strong secrets of its own."""
    url: str = ""
    """Its own address, as people and CIs reach it; `up` knows it by itself."""
    allowed_hosts: CommaSeparated = Field(default_factory=_own_names)
    """Names it is asked by, besides the one in its address."""
    policy_file: Path | None = None
    """What may happen to which repository; without it `policy.yml` in the data directory."""
    rules_dir: Path | None = None
    """Local rules that classify failures, laid over the project's own; read once, at start."""
    secret_key: SecretStr = SecretStr("")
    """Signs sessions and seals logs that wait; `up` makes one."""
    api_token: SecretStr = SecretStr("")
    """Opens the API to programs; `up` makes one."""
    webhook_secret: SecretStr = SecretStr("")
    """Signs the webhooks of every provider; several with commas while it is changed."""
    admin_password: SecretStr = SecretStr("")
    """Of the first admin; read at first start alone, and masked ever after."""
    metrics_token: SecretStr = SecretStr("")
    """Opens `/metrics` from anywhere."""
    metrics_allow: CommaSeparated = ("127.0.0.1", "::1")
    """Addresses that may read `/metrics` without a token."""
    trusted_proxies: Networks = ()
    """Addresses and CIDRs of proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed."""


class RuntimeSettings(Group):
    """What it stands on."""

    database_url: SecretStr = secret_named("DATABASE_URL")
    """A PostgreSQL; without it SQLite in the data directory."""
    redis_url: SecretStr = secret_named("REDIS_URL")
    """The broker of workers of their own; without it they are threads of the service."""
    database_pool: Annotated[int, Field(ge=1, le=200)] = 10
    """Connections to PostgreSQL that one process keeps at most."""
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default_factory=lambda: max(2, min(4, os.cpu_count() or 2))
    )
    """Effects that `up` works on at once; 2 to 4 as the machine has processors."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least that is logged."""
    log_format: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object each."""
    log_per_minute: Annotated[int, Field(ge=1)] = 60
    """Log lines of one kind."""


class PolicySettings(Group):
    """What may be done; said here it goes before the policy file."""

    enabled: bool = True
    """`false` stops all effects and keeps deliveries."""
    safe_mode: bool = True
    """No write to code, branches or comments without a person."""
    auto_rerun: bool = True
    """Reruns of an unchanged commit."""
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Fixes tried per run."""
    max_auto_reruns: Annotated[int, Field(ge=0, le=10)] = 2
    """Reruns of one job on one commit."""
    max_total_duration: Annotated[float, Field(gt=0)] = 7200.0
    """Seconds a run may work."""

    def overrides(self) -> dict[str, Any]:
        """What the environment itself says; what it leaves unsaid is the policy file's to say."""
        return self.model_dump(include=self.model_fields_set)


class EdgeSettings(Group):
    """What may come in at once."""

    max_body: Annotated[int, Field(ge=1024)] = 20 * 1024 * 1024
    """Bytes of one body."""
    max_bodies: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024
    """Bytes of all bodies that are being taken at once, in one process."""
    max_waiting_logs: Annotated[int, Field(ge=1024)] = 1024**3
    """Bytes of the large logs that came in bodies and were not read yet."""
    header_timeout: Annotated[float, Field(gt=0)] = 10.0
    """Seconds from the connection, or the end of the last answer, until a request's headers are
    there.
    """
    idle_timeout: Annotated[float, Field(gt=0)] = 5.0
    """Seconds a connection may stay without a byte after an answer."""
    body_timeout: Annotated[float, Field(gt=0)] = 20.0
    """Seconds within which a body must come, and 1 more for each 8 KB of it that came."""
    write_timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds a client may take nothing of what is sent to it."""
    max_connections: Annotated[int, Field(ge=8)] = 512
    """To one process; never more than three eighths of its file descriptors."""
    max_requests: Annotated[int, Field(ge=2)] = 32
    """Worked on at once in one process, each on a thread; the others wait. Streams do not count."""
    max_streams: Annotated[int, Field(ge=1)] = 200
    """Pages that follow along at once, in one process."""
    hook_rate: Annotated[int, Field(ge=1)] = 3_000
    """Deliveries a minute of one hook, and as many at once; beyond, 429 is answered."""
    address_rate: Annotated[int, Field(ge=1)] = 3_000
    """Requests a minute of one address to webhooks, and as many at once."""


class OutboundSettings(Group):
    """Asking others: models, logs, forges and chats alike."""

    https_proxy: str = named("CI_HEALING_HTTPS_PROXY", "HTTPS_PROXY")
    """The proxy on the way out."""
    no_proxy: CommaSeparated = named("CI_HEALING_NO_PROXY", "NO_PROXY", default=())
    """Hosts that are reached without it, with commas."""
    ca_bundle: str = ""
    """A file of certificates to trust besides the usual ones: the company's own CA."""
    fetch_hosts: CommaSeparated = ()
    """Further hosts logs may be fetched from (redirect targets of an own object store)."""
    fetches_per_minute: Annotated[int, Field(ge=1)] = 120
    """Requests to one host."""


class ModelSettings(Group):
    """Models."""

    ai_provider: CommaSeparated = ()
    """`anthropic`, `openai`, `gemini`, `grok` or `offline`; several with commas are asked in this
    order. Without it the first one with a key.
    """
    daily_cost_limit_usd: Annotated[float, Field(ge=0)] = 20.0
    """No call is made that could go beyond it."""
    language: Literal["en", "ru"] = "en"
    """Of prompts, and of what a model writes for people: `en` or `ru`."""


class SandboxSettings(Group):
    """Where code of repositories is run."""

    sandbox: Literal["auto", "bubblewrap", "plain"] = "auto"
    """`plain` runs repositories that policy marks `trusted` without bubblewrap."""
    sandbox_accept: Annotated[tuple[Literal["own_uid", "syscalls"], ...], NoDecode, parts(",")] = ()
    """Walls to do without where this machine cannot have them, with commas: `own_uid`,
    `syscalls` (see SECURITY.md).
    """
    toolchain: ColonSeparated = ()
    """Directories, with colons, that commands see besides /usr; else a Python with pytest and
    ruff.
    """


class CloneSettings(Group):
    """Cloning over https."""

    git_user: str = ""
    """Of the token, where the server asks for one."""
    git_token: SecretStr = SecretStr("")
    """For https clone URLs, where a provider has no short-lived ones."""
