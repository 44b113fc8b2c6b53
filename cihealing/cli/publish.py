"""`cihealing publish RUN --dry-run`: the exact calls that approving would make; none is sent."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from cihealing import registry, service
from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.cli.shared.naming import run_named
from cihealing.effects.publish import forge_of, proposal_of, site_of
from cihealing.ports import Call, PermanentError, TransientError
from cihealing.secrecy import masked_in
from cihealing.service import policies


class Command(ProductCommand, needs=Needs.DATABASE):
    help = (
        "Print the exact calls that approving a proven fix would make at its forge. Approving"
        " itself is done on the page or by the API."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "run", metavar="RUN", help="id of a run with a proven patch, or how it begins"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print the calls; nothing is sent"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a call")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["dry_run"]:
            raise CommandError(
                "a fix is published by a person who approves it, on the run's page or by the API;"
                " --dry-run prints the calls"
            )
        for call in masked_in(self.calls(run_named(options["run"]))):
            told = {"method": call.method, "url": call.url, "body": dict(call.body)}
            if options["json"]:
                self.stdout.write(json.dumps(told, ensure_ascii=False))
            else:
                self.stdout.write(f"{call.method} {call.url}")
                self.stdout.write(
                    json.dumps(told["body"], indent=2, ensure_ascii=False) if call.body else ""
                )

    def calls(self, run_id: UUID) -> list[Call]:
        tools = registry.tools()
        try:
            run = service.get(run_id)
            if not run.review.patch:
                raise CommandError(f"run {run_id} has no proven patch (it is {run.status})")
            policy = policies.of(run)
            proposal = proposal_of(run, policy=policy, tools=tools)
            site = site_of(run, policy, tools)
            return forge_of(run, policy, tools).publishing(site).planned(proposal)
        except service.NoSuchRun:
            raise CommandError(f"there is no run {run_id}") from None
        except (PermanentError, TransientError) as error:
            raise CommandError(str(error)) from None
