"""What the commands over the database share: a clear word where there is none, runs by a short id,
and who is asking.
"""

from __future__ import annotations

import getpass
import re
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from cihealing.domain.values import Actor
from cihealing.models import Run

MISUSED = 2
SHORTEST = 6
"""Hex digits of a run's id that may stand for it."""


class DatabaseCommand(BaseCommand):
    """A command over the service's database. It makes none: an empty one would only hide that the
    wrong one was named.
    """

    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument(
            "--data",
            help="data directory (default: CI_HEALING_DATA_DIR, else var/ in the checkout)",
        )
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        require_database()
        try:
            return super().execute(*args, **options)
        except DatabaseError as error:
            raise CommandError(
                f"the database could not be asked: {str(error).splitlines()[0]}. {ADVICE}"
            ) from error


ADVICE = (
    "Is it the service's own (CI_HEALING_DATA_DIR, DATABASE_URL), and migrated (`cihealing up`,"
    " `cihealing migrate`)?"
)


def require_database() -> None:
    """Raises CommandError where SQLite's file is not there: connecting would make it."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and not name.startswith("file:") and not Path(name).exists():
        raise CommandError(
            f"there is no database in {settings.CI_HEALING['DATA_DIR']}: `cihealing up` makes one."
            f" {ADVICE}"
        )


def run_named(text: str) -> UUID:
    """The run with this id, or with the one id that begins so. Raises CommandError."""
    digits = text.strip().lower().replace("-", "")
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},32}}", digits):
        raise CommandError(
            f"{text[:80]!r} is no id of a run: give it, or its first {SHORTEST} digits or more",
            returncode=MISUSED,
        )
    found = list(
        Run.objects.filter(id__gte=_padded(digits, "0"), id__lte=_padded(digits, "f")).values_list(
            "id", flat=True
        )[:2]
    )
    if len(found) != 1:
        raise CommandError(
            f"no run's id begins with {text}"
            if not found
            else f"several runs' ids begin with {text}: give more of it"
        )
    return found[0]


def _padded(digits: str, filler: str) -> UUID:
    return UUID(digits.ljust(32, filler))


def person() -> Actor:
    """Who runs this command: their login on this machine."""
    try:
        return Actor(kind="person", name=getpass.getuser())
    except (KeyError, OSError):
        return Actor(kind="person", name="unknown")
