"""`cihealing prompt RUN`: exactly what was sent to a model for a run, call by call."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.cli.shared.naming import run_named
from cihealing.domain.run import PastCall
from cihealing.read import detail, texts
from cihealing.read.access import SERVICE_VIEWER


class Command(ProductCommand, needs=Needs.DATABASE):
    help = "Show exactly what was sent to a model for a run: system text and prompt of every call."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", metavar="RUN", help="id of the run, or how it begins")
        parser.add_argument("--attempt", type=int, help="of this attempt only; 0: of the report")
        parser.add_argument("--json", action="store_true", help="one JSON object a call")

    def handle(self, *args: Any, **options: Any) -> None:
        run_id = run_named(options["run"])
        run = detail.run(SERVICE_VIEWER, run_id)
        if run is None:
            raise CommandError(f"there is no run {run_id}")
        calls = [
            call for call in run.state.models.asked if options["attempt"] in (None, call.number)
        ]
        if not calls:
            raise CommandError(
                "no model was asked for this run"
                + (" and attempt" if options["attempt"] is not None else "")
            )
        for call in calls:
            self._show(call, as_json=options["json"], run=run.id)

    def _show(self, call: PastCall, *, as_json: bool, run: UUID) -> None:
        sent = json.loads(texts.run_artifact(SERVICE_VIEWER, run, call.prompt) or "{}")
        facts = {
            "attempt": call.number,
            "provider": call.provider,
            "model": call.model,
            "outcome": call.outcome,
            "at": call.at.isoformat(),
        }
        if as_json:
            self.stdout.write(json.dumps({**facts, **sent}, ensure_ascii=False))
            return
        self.stdout.write("=== " + ", ".join(f"{name} {value}" for name, value in facts.items()))
        if not sent:
            self.stdout.write("(it was purged)")
        self.stdout.write(
            f"--- system\n{sent.get('system', '')}\n--- prompt\n{sent.get('prompt', '')}"
        )
