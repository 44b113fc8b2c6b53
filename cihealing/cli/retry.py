"""`cihealing retry RUN`: begin a new generation of a run, with a fresh budget."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from cihealing import registry, service
from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.cli.shared.naming import person, run_named
from cihealing.domain.run import Refused
from cihealing.read import contract, runs
from cihealing.read.access import SERVICE_VIEWER


class Command(ProductCommand, needs=Needs.DATABASE):
    help = (
        "Try a run that escalated or ended once more, with a fresh budget. The running service"
        " carries it out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", metavar="RUN", help="id of the run, or how it begins")
        parser.add_argument("--note", default="", help="why; kept with the run")
        parser.add_argument(
            "--json", action="store_true", help="print the run as the runs API would"
        )

    def handle(self, *args: Any, run: str, note: str, **options: Any) -> None:
        run_id = run_named(run)
        try:
            state = service.perform(run_id, "retry", note=note, by=person(), tools=registry.tools())
        except Refused as error:
            raise CommandError(f"run {run_id} cannot be retried: {error}") from None
        row = runs.row(SERVICE_VIEWER, run_id)
        if options["json"] and row:
            self.stdout.write(json.dumps(contract.run_row(row)))
        else:
            self.stdout.write(
                f"run {run_id} is {state.status}, generation {state.generation}: `cihealing watch"
                f" {str(run_id)[:8]}` follows it"
            )
