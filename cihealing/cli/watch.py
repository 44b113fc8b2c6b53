"""`cihealing watch [RUN]`: what happens, as it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from cihealing.cli.shared import terminal
from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.cli.shared.naming import run_named
from cihealing.read import contract, feed, runs
from cihealing.read.access import SERVICE_VIEWER
from cihealing.read.rows import TimelineEntry

PACE = 0.5
"""Seconds between looks."""


class Command(ProductCommand, needs=Needs.DATABASE):
    help = (
        "Follow one run from its first fact until it is resolved or aborted, or what happens to all"
        " runs from now on. Ctrl-C ends it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "run",
            nargs="?",
            default="",
            metavar="RUN",
            help="id of a run, or how it begins (default: all runs)",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, run: str, **options: Any) -> None:
        self.console = terminal.console(self.stdout, no_color=options["no_color"])
        self.as_json = options["json"]
        try:
            self.follow(run_named(run)) if run else self.follow_all()
        except KeyboardInterrupt:
            return

    def follow(self, run_id: UUID) -> None:
        for entry in facts(run_id):
            self.tell(json.dumps(contract.event(entry)) if self.as_json else line_of(entry))

    def follow_all(self) -> None:
        cursor = feed.global_cursor()
        while True:
            for found in feed.global_events_after(SERVICE_VIEWER, cursor):
                cursor = found.cursor
                told = (
                    f"{str(found.run_id)[:8]}  {found.repository}  {found.entry.text} "
                    f" [{found.status}]"
                )
                self.tell(
                    json.dumps(contract.global_event(found))
                    if self.as_json
                    else f"{terminal.clock(found.entry.at)}  {told}"
                )
            time.sleep(PACE)

    def tell(self, line: str) -> None:
        if self.as_json:
            self.stdout.write(line)
        else:
            self.console.print(terminal.plain(line), soft_wrap=True)
        self.stdout.flush()


def facts(run_id: UUID) -> Iterator[TimelineEntry]:
    """Every fact of the run, those to come as they come; ends with the run."""
    version = 0
    while True:
        # Asked before the facts are read: whatever came until the end is then still told.
        row = runs.row(SERVICE_VIEWER, run_id)
        while found := feed.events_after(SERVICE_VIEWER, run_id, version):
            yield from found
            version = found[-1].version
        if row is None or row.ended:
            return
        time.sleep(PACE)


def line_of(entry: TimelineEntry) -> str:
    by = f"  ({entry.actor})" if entry.actor_kind == "person" else ""
    return f"{terminal.clock(entry.at)}  {entry.text}{by}"
