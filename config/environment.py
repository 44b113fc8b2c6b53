"""The service's settings as they stand in the environment, validated once.

Every field is `CI_HEALING_<NAME>`. A secret may also be given as `CI_HEALING_<NAME>_FILE` (a path),
or lie in the data directory under its own name (`webhook_secret`), where first start puts it. The
environment wins over the file it names, that over the data directory.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated, Any, Literal

from django.core.exceptions import ImproperlyConfigured
from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from cihealing import discovery, strength
from cihealing.web.proxies import networks

BASE_DIR = Path(__file__).resolve().parent.parent
PREFIX = "CI_HEALING_"
WEBHOOK_SECRET = "webhook_secret_"  # noqa: S105 - how the names of such fields begin
POLICY_OVERRIDES = (
    "enabled",
    "safe_mode",
    "auto_rerun",
    "max_attempts",
    "max_auto_reruns",
    "max_total_duration",
)

OUTSIDE = (
    "fetch_hosts",
    "fetches_per_minute",
    "ca_bundle",
    "https_proxy",
    "no_proxy",
    "ai_provider",
    "gemini_base_url",
    "gemini_default_model",
    "grok_base_url",
    "grok_default_model",
    "daily_cost_limit_usd",
    "language",
    "gemini_api_key",
    "grok_api_key",
)
"""Settings about other sides in general, handed to providers by name with those of `own_settings`.
What of them is secret is said by their type (`cihealing/secrecy.py`).
"""

EDGE = (
    "header_timeout",
    "idle_timeout",
    "body_timeout",
    "write_timeout",
    "max_connections",
    "max_requests",
    "max_streams",
    "max_bodies",
    "max_waiting_logs",
    "hook_rate",
    "address_rate",
)
"""Bounds of what comes in from outside."""

ALSO_IN_FILES = ("github_app_id",)
"""No secrets, but kept beside one by `cihealing connect`."""


def data_directory() -> Path:
    """Where the service keeps what it must not lose; `var/` in the checkout unless
    `CI_HEALING_DATA_DIR` says otherwise.
    """
    return Path(os.environ.get("CI_HEALING_DATA_DIR") or BASE_DIR / "var").expanduser().resolve()


class SecretFiles(PydanticBaseSettingsSource):
    """Secrets from files: `CI_HEALING_<NAME>_FILE`, else `<data directory>/<name>`. One trailing
    newline is not part of a secret.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        in_a_file = field.annotation is SecretStr or field_name in ALSO_IN_FILES
        return (_secret_from_file(field_name) if in_a_file else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


def _secret_from_file(name: str) -> str | None:
    named = os.environ.get(f"{PREFIX}{name.upper()}_FILE")
    path = Path(named) if named else data_directory() / name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        if named:
            raise ImproperlyConfigured(
                f"{PREFIX}{name.upper()}_FILE names {named}, which does not exist."
            ) from None
        return None
    except OSError as error:
        raise ImproperlyConfigured(f"cannot read {path}: {error.strerror}") from None


def comma_separated(value: Any) -> Any:
    return (
        [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, str)
        else value
    )


CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(comma_separated)]


def proxies(texts: list[str]) -> list[str]:
    """Raises ValueError for what names no proxies."""
    networks(texts)
    return texts


def _named(name: str) -> Any:
    """A secret known by its provider's usual name, or by ours."""
    return Field(
        default=SecretStr(""), validation_alias=AliasChoices(name, PREFIX + name, name.lower())
    )


def _named_text(name: str) -> Any:
    return Field(default="", validation_alias=AliasChoices(name, PREFIX + name, name.lower()))


def _own_names() -> list[str]:
    return ["localhost", "127.0.0.1", "[::1]", socket.gethostname().lower()]


class Environment(BaseSettings):
    """Durations in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    env: Literal["embedded", "production"] = "embedded"
    url: str = ""
    allowed_hosts: CommaSeparated = Field(default_factory=_own_names)
    secret_key: SecretStr = SecretStr("")
    api_token: SecretStr = SecretStr("")
    webhook_secret: SecretStr = SecretStr("")
    webhook_secret_github: SecretStr = SecretStr("")
    webhook_secret_gitlab: SecretStr = SecretStr("")
    webhook_secret_jenkins: SecretStr = SecretStr("")
    webhook_secret_circleci: SecretStr = SecretStr("")
    webhook_secret_buildkite: SecretStr = SecretStr("")
    webhook_secret_gitea: SecretStr = SecretStr("")
    github_token: SecretStr = SecretStr("")
    git_user: str = ""
    git_token: SecretStr = SecretStr("")
    github_api_url: str = "https://api.github.com"
    github_enabled: bool = False
    """Whether changes, comments, checks and reruns may be written at GitHub at all."""
    github_app_id: str = ""
    github_app_private_key: SecretStr = SecretStr("")
    github_base_branch: str = Field(
        default="",
        validation_alias=AliasChoices("GITHUB_BASE_BRANCH", "CI_HEALING_GITHUB_BASE_BRANCH"),
    )
    """The branch changes go to where neither payload nor policy names one."""
    gitlab_enabled: bool = False
    gitlab_url: str = "https://gitlab.com"
    gitlab_token: SecretStr = SecretStr("")
    jenkins_url: str = ""
    """Base URLs, comma-separated: only there a token is sent, and only there a private address may
    be reached.
    """
    jenkins_user: str = ""
    jenkins_token: SecretStr = SecretStr("")
    circleci_url: str = "https://circleci.com"
    circleci_token: SecretStr = SecretStr("")
    buildkite_url: str = "https://api.buildkite.com"
    buildkite_token: SecretStr = SecretStr("")
    gitea_enabled: bool = False
    gitea_url: str = ""
    """Base URLs of Gitea or Forgejo, comma-separated, as `jenkins_url`."""
    gitea_token: SecretStr = SecretStr("")
    fetch_hosts: CommaSeparated = []
    """Further hosts logs may be fetched from (redirect targets of an own object store)."""
    fetches_per_minute: Annotated[int, Field(ge=1)] = 120
    """To one host."""
    ca_bundle: str = ""
    """A file of certificates to trust besides the usual ones: the company's own CA."""
    https_proxy: str = Field(
        default="",
        validation_alias=AliasChoices("CI_HEALING_HTTPS_PROXY", "HTTPS_PROXY", "https_proxy"),
    )
    no_proxy: str = Field(
        default="", validation_alias=AliasChoices("CI_HEALING_NO_PROXY", "NO_PROXY", "no_proxy")
    )
    ai_provider: CommaSeparated = []
    """`anthropic`, `openai`, `gemini`, `grok` or `offline`; several are asked in this order. Left
    out: the first one with a key.
    """
    anthropic_api_key: SecretStr = _named("ANTHROPIC_API_KEY")
    anthropic_base_url: str = _named_text("ANTHROPIC_BASE_URL")
    anthropic_default_model: str = _named_text("ANTHROPIC_DEFAULT_MODEL")
    openai_api_key: SecretStr = _named("OPENAI_API_KEY")
    openai_base_url: str = _named_text("OPENAI_BASE_URL")
    openai_default_model: str = _named_text("OPENAI_DEFAULT_MODEL")
    gemini_api_key: SecretStr = _named("GEMINI_API_KEY")
    gemini_base_url: str = _named_text("GEMINI_BASE_URL")
    gemini_default_model: str = _named_text("GEMINI_DEFAULT_MODEL")
    grok_api_key: SecretStr = _named("GROK_API_KEY")
    grok_base_url: str = _named_text("GROK_BASE_URL")
    grok_default_model: str = _named_text("GROK_DEFAULT_MODEL")
    daily_cost_limit_usd: Annotated[float, Field(ge=0)] = 20.0
    language: Literal["en", "ru"] = "en"
    """Of prompts, and of what a model writes for people."""
    slack_webhook_url: SecretStr = SecretStr("")
    slack_bot_token: SecretStr = SecretStr("")
    slack_channel: str = ""
    slack_signing_secret: SecretStr = SecretStr("")
    slack_api_url: str = "https://slack.com/api/"
    database_url: SecretStr = Field(
        default=SecretStr(""), validation_alias=AliasChoices("DATABASE_URL", "database_url")
    )
    redis_url: SecretStr = Field(
        default=SecretStr(""), validation_alias=AliasChoices("REDIS_URL", "redis_url")
    )
    policy_file: Path | None = None
    rules_dir: Path | None = None
    """Local rules that classify failures, laid over the project's own; read once, at start."""
    sandbox: Literal["auto", "bubblewrap", "plain"] = "auto"
    sandbox_accept: Annotated[
        list[Literal["own_uid", "syscalls"]], NoDecode, BeforeValidator(comma_separated)
    ] = []
    """Walls of the sandbox to do without where this machine cannot have them, by name with commas:
    `own_uid`, `syscalls`.
    """
    toolchain: str = ""
    """Directories, separated by colons, that repositories' commands see besides /usr."""
    enabled: bool = True
    safe_mode: bool = True
    auto_rerun: bool = True
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    max_auto_reruns: Annotated[int, Field(ge=0, le=10)] = 2
    max_total_duration: Annotated[float, Field(gt=0)] = 7200.0
    max_body: Annotated[int, Field(ge=1024)] = 20 * 1024 * 1024
    max_bodies: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024
    """Of all bodies that are being taken at once, in one process."""
    max_waiting_logs: Annotated[int, Field(ge=1024)] = 1024**3
    """Of the large logs that came in bodies and were not read yet."""
    header_timeout: Annotated[float, Field(gt=0)] = 10.0
    """From the connection, or from the end of the last answer, until a request's headers are
    there.
    """
    idle_timeout: Annotated[float, Field(gt=0)] = 5.0
    """A connection may stay without a byte after an answer."""
    body_timeout: Annotated[float, Field(gt=0)] = 20.0
    """Within which a body must come; each 8 KB of it that came give it another second."""
    write_timeout: Annotated[float, Field(gt=0)] = 60.0
    """A client may take nothing of what is sent to it."""
    max_connections: Annotated[int, Field(ge=8)] = 512
    """To one process; never more than three eighths of its file descriptors."""
    max_requests: Annotated[int, Field(ge=2)] = 32
    """Worked on at once in one process, each on a thread; the others wait. Streams do not count."""
    max_streams: Annotated[int, Field(ge=1)] = 200
    hook_rate: Annotated[int, Field(ge=1)] = 3_000
    """Deliveries a minute of one hook, and as many at once."""
    address_rate: Annotated[int, Field(ge=1)] = 3_000
    """Requests a minute of one address to webhooks, and as many at once."""
    metrics_token: SecretStr = SecretStr("")
    admin_password: SecretStr = SecretStr("")
    """Of the first admin; read at first start alone, and masked ever after."""
    metrics_allow: CommaSeparated = ["127.0.0.1", "::1"]
    trusted_proxies: Annotated[CommaSeparated, AfterValidator(proxies)] = []
    """Addresses and CIDRs of the proxies whose X-Forwarded-For, -Proto and -Host are believed."""
    database_pool: Annotated[int, Field(ge=1, le=200)] = 10
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default_factory=lambda: max(2, min(4, os.cpu_count() or 2))
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    log_per_minute: Annotated[int, Field(ge=1)] = 60
    """Lines of one kind."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, SecretFiles(settings_cls)

    def model_post_init(self, context: Any, /) -> None:
        if self.env == "production":
            self._require_secrets()

    def _require_secrets(self) -> None:
        """Raises ImproperlyConfigured for secrets that are missing, can be guessed, or are one
        secret for several uses.
        """
        needed = {
            "SECRET_KEY": self.secret_key,
            "WEBHOOK_SECRET": self.webhook_secret,
            "API_TOKEN": self.api_token,
        }
        missing = [PREFIX + name for name, value in needed.items() if not value.get_secret_value()]
        if missing:
            names = " and ".join(missing)
            raise ImproperlyConfigured(
                f"CI_HEALING_ENV=production refuses to start without secrets: set {names}, or the"
                " same with _FILE"
            )
        self._require_strength()

    def _require_strength(self) -> None:
        others = ("secret_key", "api_token", "metrics_token")
        given = strength.own(
            self.webhook_secrets(),
            {f"{PREFIX}{name.upper()}": getattr(self, name).get_secret_value() for name in others},
        )
        weak = [f"{name} {why}" for name, secret in given if (why := strength.weakness(secret))]
        if twice := strength.shared(given):
            weak.append(f"{twice} are one secret, who holds it holds both")
        if weak:
            raise ImproperlyConfigured(
                f"CI_HEALING_ENV=production refuses weak secrets: {'; '.join(weak)};"
                f" {strength.MAKE}"
            )

    def webhook_secrets(self) -> dict[str, str]:
        """Comma-separated secrets by provider; the key "" holds those that serve every provider."""
        own = {
            name.removeprefix(WEBHOOK_SECRET): getattr(self, name).get_secret_value()
            for name in type(self).model_fields
            if name.startswith(WEBHOOK_SECRET)
        }
        return {
            "": self.webhook_secret.get_secret_value(),
            **{name: value for name, value in own.items() if value},
        }

    def plain(self, name: str) -> Any:
        """A field's value as those that use it take it."""
        value = getattr(self, name)
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    def policy_overrides(self) -> dict[str, Any]:
        """What the environment itself says about policy; what it leaves unsaid is the policy file's
        to say.
        """
        return {
            name: getattr(self, name) for name in POLICY_OVERRIDES if name in self.model_fields_set
        }


def read() -> Environment:
    """Raises ImproperlyConfigured naming the variable and what is wrong with it; a secret's value
    is never in the message.
    """
    try:
        return Environment()
    except ValidationError as error:
        raise ImproperlyConfigured(
            "; ".join(_told(item) for item in error.errors(include_input=False))
        ) from None


def _told(error: Any) -> str:
    return f"{PREFIX}{'_'.join(str(part) for part in error['loc']).upper()}: {error['msg']}"


def own_settings() -> list[str]:
    """The settings of the providers there are: fields whose names begin with theirs."""
    known = tuple(f"{name}_" for name in discovery.names("cihealing.providers"))
    return [name for name in Environment.model_fields if name.startswith(known)]
