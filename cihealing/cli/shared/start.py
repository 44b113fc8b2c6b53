"""How a command is started: what it needs is brought about before its file is imported."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, assert_never

from django.core.management import ManagementUtility, get_commands
from django.core.management.base import BaseCommand

from cihealing.cli.shared import found
from cihealing.cli.shared.command import Needs, version

PROGRAM = "cihealing"
OWN_DIRECTORY = "cihealing-try-"
KEPT = tuple(
    f"CI_HEALING_{name}"
    for name in (
        "SANDBOX",
        "TOOLCHAIN",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "MAX_ATTEMPTS",
        "MAX_TOTAL_DURATION",
    )
)
"""Settings that also hold for a command with a data directory of its own."""


def run(arguments: Sequence[str]) -> None:
    match list(arguments):
        case [] | ["help"] | ["--help"] | ["-h"]:
            sys.stdout.write(f"{found.listing()}\n")
        case ["--version"] | ["version"]:
            sys.stdout.write(f"{PROGRAM} {version()}\n")
        case ["help", name, *_] if name in found.names():
            start(name, ["--help"])
        case [name, *rest] if name in found.names():
            start(name, rest)
        case [*others] if (rest := choose_data(others)) != others:
            run(rest)
        case [*others]:
            use_settings()
            Console([PROGRAM, *others]).execute()


def start(name: str, arguments: list[str]) -> None:
    needs = found.needs(name)
    match needs:
        case Needs.NOTHING:
            without_settings(name, arguments)
        case Needs.OWN_DATA:
            with own_data():
                with_settings(name, arguments)
        case Needs.FIRST_START:
            arguments = choose_data(arguments)
            if not {"-h", "--help"} & set(arguments):
                make_secrets()
            with_settings(name, arguments)
        case Needs.DATA | Needs.DATABASE:
            with_settings(name, choose_data(arguments))
        case _:
            assert_never(needs)


def with_settings(name: str, arguments: list[str]) -> None:
    use_settings()
    Console([PROGRAM, name, *arguments]).execute()


def use_settings() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def without_settings(name: str, arguments: list[str]) -> None:
    """Neither applications nor Celery are loaded."""
    from django.conf import settings

    settings.configure(DATABASES={}, INSTALLED_APPS=[], USE_I18N=False, LOGGING_CONFIG=None)
    found.load(name).run_from_argv([PROGRAM, name, *arguments])


class Console(ManagementUtility):
    """Django's command line, with the product's commands among its own."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        if self.settings_exception:
            raise self.settings_exception
        if subcommand in found.names():
            return found.load(subcommand)
        if subcommand in get_commands():
            return super().fetch_command(subcommand)
        close = get_close_matches(subcommand, [*found.names(), *get_commands()], n=1)
        meant = f"did you mean {close[0]}?" if close else "`cihealing help` lists them"
        sys.exit(f"{PROGRAM}: there is no command {subcommand[:80]!r}: {meant}")

    def main_help_text(self, commands_only: bool = False) -> str:
        every = sorted({*found.names(), *get_commands()})
        return "\n".join(every) if commands_only else found.listing()


def choose_data(arguments: list[str]) -> list[str]:
    """The arguments without `--data DIR`, wherever it stands. It must be known before settings are
    read, for they read the secrets in it.

    One that names nothing is left in place, for the parser to refuse.
    """
    own, end, rest = _until_end(arguments)
    left: list[str] = []
    while own:
        argument = own.pop(0)
        name, equals, value = argument.partition("=")
        if name == "--data" and not equals and own and own[0][:1] not in ("", "-"):
            value = own.pop(0)
        if name == "--data" and value:
            os.environ["CI_HEALING_DATA_DIR"] = str(Path(value).expanduser().absolute())
        else:
            left.append(argument)
    return [*left, *end, *rest]


def _until_end(arguments: list[str]) -> tuple[list[str], list[str], list[str]]:
    """What comes before a bare `--`, that, and what comes after it: no options."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at : at + 1], arguments[at + 1 :]


def make_secrets() -> None:
    """Secrets of first start, likewise before settings are read. Production gets its own from
    outside and makes none.
    """
    from cihealing import first_start

    if os.environ.get("CI_HEALING_ENV") != "production":
        checkout = Path(__file__).resolve().parents[3]
        directory = Path(os.environ.get("CI_HEALING_DATA_DIR") or checkout / "var")
        try:
            first_start.make_secrets(directory, environment=os.environ)
        except first_start.SecretsGone as error:
            sys.exit(f"{PROGRAM}: {error}")


@contextmanager
def own_data() -> Iterator[None]:
    """A private data directory, removed at the end; the settings and the database of an installed
    service do not hold.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _call_off)
    with tempfile.TemporaryDirectory(prefix=OWN_DIRECTORY, ignore_cleanup_errors=True) as directory:
        foreign = (
            "DATABASE_URL",
            "REDIS_URL",
            *(name for name in os.environ if name.startswith("CI_HEALING_") and name not in KEPT),
        )
        for name in foreign:
            os.environ.pop(name, None)
        os.environ["CI_HEALING_DATA_DIR"] = directory
        # Where bubblewrap works it is used all the same; elsewhere these are people who run their
        # own repository on their own machine.
        os.environ.setdefault("CI_HEALING_SANDBOX", "plain")
        os.environ.setdefault("CI_HEALING_LOG_LEVEL", "ERROR")
        yield


def _call_off(number: int, _frame: Any) -> None:
    """End with everything that was started: what still writes would outlive the directories it
    writes into.
    """
    from cihealing.embedded import end_children

    end_children()
    sys.exit(128 + number)
