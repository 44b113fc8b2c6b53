"""What every command of the product is: Django's, with what it needs declared on it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

MISUSED = 2
"""Exit code, as argparse has it."""
ADVICE = (
    "Is it the service's own (CI_HEALING_DATA_DIR, DATABASE_URL), and migrated (`cihealing up`,"
    " `cihealing migrate`)?"
)


class Needs(Enum):
    """What must be there before a command is imported."""

    NOTHING = "neither settings nor database: it starts in a fraction of the time"
    DATA = "the data directory"
    DATABASE = "the database; it makes none, an empty one would hide that a wrong one was named"
    FIRST_START = "the data directory, and secrets in it, which are made where they are missing"
    OWN_DATA = "a data directory of its own for as long as it runs"

    @property
    def takes_data(self) -> bool:
        """Whether `--data` says where."""
        return self not in (Needs.NOTHING, Needs.OWN_DATA)


class ProductCommand(BaseCommand):
    """`class Command(ProductCommand, needs=Needs.DATABASE)`; `needs` is also read from the source,
    before anything is imported, so it is written just so.
    """

    needs: ClassVar[Needs]
    requires_system_checks = []
    suppressed_base_arguments = {
        "--version",
        "--verbosity",
        "--settings",
        "--pythonpath",
        "--traceback",
        "--no-color",
        "--force-color",
    }

    def __init_subclass__(cls, *, needs: Needs) -> None:
        super().__init_subclass__()
        cls.needs = needs

    def get_version(self) -> str:
        return version()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        if self.needs.takes_data:
            parser.add_argument(
                "--data",
                help="data directory (default: CI_HEALING_DATA_DIR, else var/ in the checkout)",
            )
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        require_chosen(options.get("data"))
        if self.needs is not Needs.DATABASE:
            return super().execute(*args, **options)
        require_database()
        try:
            return super().execute(*args, **options)
        except DatabaseError as error:
            raise CommandError(
                f"the database could not be asked: {str(error).splitlines()[0]}. {ADVICE}"
            ) from error


def version() -> str:
    """Of the product."""
    from importlib import metadata  # it takes longer than all a light command does at start

    try:
        return metadata.version("cihealing")
    except metadata.PackageNotFoundError:
        return "unknown (the package is not installed)"


def require_chosen(data: str | None) -> None:
    """Raises CommandError where `--data` came too late to choose what is already open."""
    opened = settings.CI_HEALING["DATA_DIR"] if data is not None else None
    if data is not None and (not data or Path(data).expanduser().resolve() != opened):
        raise CommandError(
            f"--data {data!r} was not understood, {opened} is open: write `--data DIR` in full",
            returncode=MISUSED,
        )


def require_database() -> None:
    """Raises CommandError where there is none."""
    if not_made():
        raise CommandError(
            f"there is no database in {settings.CI_HEALING['DATA_DIR']}: `cihealing up` makes one."
            f" {ADVICE}"
        )


def not_made() -> bool:
    """Whether SQLite's file is not there: connecting would make it."""
    name = str(connection.settings_dict["NAME"])
    return (
        connection.vendor == "sqlite" and not name.startswith("file:") and not Path(name).exists()
    )
