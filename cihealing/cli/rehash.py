"""`cihealing rehash [--dry-run]`: after an upgrade that changed the rules of fingerprints, those of
the stored runs by the new rules.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from cihealing import service
from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.cli.shared.naming import person
from cihealing.reading.fingerprint import VERSION


class Command(ProductCommand, needs=Needs.DATABASE):
    help = (
        f"Read the stored logs of runs with older fingerprints again and record their {VERSION}"
        " ones, so that the same failure is known as such and what was silenced stays so. Where a"
        " log is purged, the old one stays. Doing it twice changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="change nothing, say old -> new")
        parser.add_argument(
            "--json",
            action="store_true",
            help="one JSON object a run: {runId,old,new,kept}; kept says why the old one stays",
        )

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        by, ids = person(), service.outdated()
        kept = 0
        for number, run_id in enumerate(ids, start=1):
            told = service.rehash(run_id, by=by, dry=dry_run)
            kept += bool(told.kept)
            self.tell(told, f"{number}/{len(ids)}", as_json=options["json"])
        if not options["json"]:
            verb = "would get" if dry_run else "got"
            self.stdout.write(
                f"{len(ids) - kept} runs {verb} {VERSION} fingerprints, {kept} kept their old ones"
                if ids
                else f"every run's is {VERSION}"
            )

    def tell(self, told: service.Rehashed, position: str, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(
                json.dumps(
                    {"runId": str(told.run_id), "old": told.old, "new": told.new, "kept": told.kept}
                )
            )
        else:
            became = f"stays: {told.kept}" if told.kept else f"-> {told.new}"
            self.stdout.write(f"{position} {told.run_id} {told.old} {became}")
