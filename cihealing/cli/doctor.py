"""`cihealing doctor`: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from cihealing import policy_file, registry
from cihealing.cli.shared import outside, signing
from cihealing.cli.shared.command import Needs, ProductCommand, not_made
from cihealing.cli.shared.findings import Advice, bad, note, ok
from cihealing.first_start import SECRETS, SecretsGone, gone
from cihealing.secrecy import masked
from cihealing.store import words
from cihealing.workshop.git import version


def python() -> Advice:
    version = ".".join(map(str, sys.version_info[:3]))
    return (
        ok("python", version)
        if sys.version_info >= (3, 11)
        else bad("python", f"{version}; 3.11 or newer is needed")
    )


def git() -> Advice:
    found = version()
    return ok("git", found) if found else bad("git", "not installed; nothing can be checked out")


def sandbox() -> Advice:
    if settings.CI_HEALING["SANDBOX"] == "plain":
        return note(
            "sandbox",
            "CI_HEALING_SANDBOX=plain: code of repositories marked trusted runs unprotected, that"
            " of others does not run",
        )
    if problem := registry.sandbox_trouble():
        return note(
            "sandbox",
            f"{problem}; repository code is not run, failures are diagnosed only. On Debian:"
            " apt-get install bubblewrap",
        )
    if given_up := registry.sandbox_given_up():
        return note(
            "sandbox",
            f"bubblewrap works, without what was accepted to be without: {'; '.join(given_up)}",
        )
    return ok(
        "sandbox",
        f"bubblewrap works, with every wall; totals are counted by {registry.sandbox_counts()}",
    )


def data_directory() -> Advice:
    path = Path(settings.CI_HEALING["DATA_DIR"])
    if not path.is_dir():
        return note(
            "data directory",
            f"{path} does not exist yet; `cihealing up` makes it, with {', '.join(SECRETS)}",
        )
    if not os.access(path, os.W_OK):
        return bad("data directory", f"{path} is not writable")
    if lost := gone(path, environment=os.environ):
        return bad("data directory", str(SecretsGone(path, lost)))
    exposed = [name for name in SECRETS if readable_by_others(path / name)]
    if exposed:
        return bad(
            "data directory", f"{', '.join(exposed)} in {path} can be read by others: chmod 600"
        )
    return ok("data directory", str(path))


def readable_by_others(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o077)


def database() -> Advice:
    if not_made():
        return note(
            "database",
            f"{connection.vendor}: there is none yet; `cihealing up` makes"
            f" {connection.settings_dict['NAME']}",
        )
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return bad("database", f"{connection.vendor}: {str(error).splitlines()[0]}")
    if waiting:
        return note(
            "database",
            f"{connection.vendor}: {len(waiting)} migrations wait; `cihealing up` or `cihealing"
            " migrate` applies them",
        )
    return ok("database", connection.vendor)


def search() -> Advice:
    """Words are found either way; without the index every run's are read."""
    try:
        trouble = words.trouble()
    except DatabaseError:
        return note("search", "not known: the database does not answer")
    return (
        note("search", f"words are looked for slowly: {trouble}")
        if trouble
        else ok("search", "indexed")
    )


def broker() -> Advice:
    if settings.EMBEDDED_BROKER:
        return ok("broker", "in this process (REDIS_URL is not set)")
    import redis

    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=3, socket_connect_timeout=3).ping()
    except (redis.RedisError, ValueError) as error:
        return bad("broker", f"Redis does not answer: {type(error).__name__}")
    return ok("broker", "Redis answers")


def policy() -> Advice:
    read, problem = policy_file.current()
    if problem:
        return bad("policy", problem)
    path = Path(settings.CI_HEALING["POLICY_FILE"])
    if not path.exists():
        return note(
            "policy", f"{path} does not exist: defaults hold, and no repository can be checked out"
        )
    return ok(
        "policy",
        f"{path}: {len(read.repositories)} repository entries, safe mode"
        f" {'on' if read.safe_mode else 'off'}",
    )


def switch() -> Advice:
    if policy_file.current()[0].enabled:
        return ok("kill switch", "effects are carried out")
    return note("kill switch", "off: deliveries are kept, nothing is healed")


def webhook_secret() -> Advice:
    secrets = settings.CI_HEALING["WEBHOOK_SECRETS"]
    path = Path(settings.CI_HEALING["DATA_DIR"]) / "webhook_secret"
    if secrets.get(""):
        return ok("webhook secret", "set")
    if path.name in gone(path.parent, environment=os.environ):
        return bad("webhook secret", f"{path} is gone: every webhook it signs is refused")
    only = ", ".join(sorted(provider for provider, secret in secrets.items() if secret))
    refused = f"of {only} alone: every other webhook" if only else "none: every webhook"
    makes = f"`cihealing up` makes {path}, or set CI_HEALING_WEBHOOK_SECRET"
    return note("webhook secret", f"{refused} is refused; {makes}")


def proxies() -> Advice:
    named = settings.CI_HEALING["TRUSTED_PROXIES"]
    if named:
        return ok("proxies", f"forwarded headers are believed of {', '.join(map(str, named))}")
    if settings.CI_HEALING["URL"].startswith("https://"):
        return note(
            "proxies",
            "none: everybody counts as the proxy in front of this; name it in"
            " CI_HEALING_TRUSTED_PROXIES",
        )
    return ok("proxies", "none: forwarded headers are not believed")


CHECKS: tuple[Callable[[], Advice], ...] = (
    python,
    git,
    sandbox,
    data_directory,
    database,
    search,
    broker,
    policy,
    switch,
    webhook_secret,
    signing.strength,
    signing.signatures,
    *(partial(signing.secret_in_url, name) for name in registry.named(lambda p: p.secret_in_url)),
    proxies,
)


class Command(ProductCommand, needs=Needs.DATA):
    help = (
        "Say what works on this machine, what does not, and what to do about it. Exit 1 where"
        " something does not work."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument(
            "--online",
            action="store_true",
            help="also ask the forge, and one tiny question of the model",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = [check() for check in CHECKS] + outside.local()
        found += outside.online() if options["online"] else []
        findings = [replace(finding, told=masked(finding.told)) for finding in found]
        if options["json"]:
            self.stdout.write(json.dumps({"findings": [asdict(finding) for finding in findings]}))
        else:
            self.show(findings)
        if any(finding.state == "bad" for finding in findings):
            sys.exit(1)

    def show(self, findings: list[Advice]) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for finding in findings:
            colour = {"ok": "green", "note": "yellow", "bad": "red"}[finding.state]
            table.add_row(Text(finding.state, style=colour), finding.subject, Text(finding.told))
        Console(file=cast("IO[str]", self.stdout), highlight=False).print(table)
