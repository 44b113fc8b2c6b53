"""`cihealing runs`: the runs there are, newest first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser

from cihealing.cli.shared import terminal
from cihealing.cli.shared.command import MISUSED, Needs, ProductCommand
from cihealing.read import contract, cursors, runs
from cihealing.read.access import SERVICE_VIEWER
from cihealing.read.rows import RunRow

PAGE = 500


class Command(ProductCommand, needs=Needs.DATABASE):
    help = "List runs, newest first; runs attached to another one are left out."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--status",
            default="",
            help="queued, running, fixed, escalated, resolved, aborted; several by commas",
        )
        parser.add_argument("--repository", default="", help="owner/name")
        parser.add_argument(
            "-q", "--search", default="", help="text in names, hashes and summaries"
        )
        parser.add_argument(
            "--limit", type=int, default=25, help="how many (default: %(default)s; 0 for all)"
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="one JSON object a line, with the fields of the runs API",
        )

    def handle(
        self, *args: Any, status: str, repository: str, search: str, limit: int, **options: Any
    ) -> None:
        if limit < 0:
            raise CommandError("--limit is a number of runs, or 0 for all", returncode=MISUSED)
        rows = listed(status=status, repository=repository, q=search, limit=limit)
        try:
            if options["json"]:
                return self.print_json(rows)
            return self.print_table(list(rows), no_color=options["no_color"])
        except cursors.BadQuery as error:
            raise CommandError(str(error), returncode=MISUSED) from None

    def print_json(self, rows: Iterable[RunRow]) -> None:
        for row in rows:
            self.stdout.write(json.dumps(contract.run_row(row)))

    def print_table(self, rows: Sequence[RunRow], *, no_color: bool) -> None:
        if not rows:
            return self.stdout.write("no runs")
        from cihealing.cli.shared.run_table import table  # programs ask for JSON and need it not

        console = terminal.console(self.stdout, no_color=no_color)
        for line in table(rows, room=console.width if self.stdout.isatty() else None):
            console.print(line, soft_wrap=True)
        return None


def listed(*, status: str, repository: str, q: str, limit: int) -> Iterator[RunRow]:
    """At most `limit` runs (0: all), a page at a time. Raises cursors.BadQuery."""
    left, cursor = limit, ""
    while True:
        size = min(left, PAGE) if limit else PAGE
        page = runs.page(
            SERVICE_VIEWER, page_size=size, status=status, repository=repository, q=q, cursor=cursor
        )
        yield from page.rows
        left, cursor = left - len(page.rows), page.next_cursor or ""
        if not cursor or (limit and left <= 0):
            return
