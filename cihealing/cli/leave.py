"""`cihealing leave REPO`: take everything of the service out of a repository, and keep the record
of what it did there.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import CommandError

from cihealing import registry, service
from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.cli.shared.found import call_command
from cihealing.domain.run import Refused
from cihealing.domain.values import Actor
from cihealing.models import Run
from cihealing.ports import PermanentError, Site, TransientError
from cihealing.service import policies

ENDED = ("resolved", "aborted")
CLI = Actor(kind="person", name="cli")
AFTER = (
    "Now take {name} out of the policy (or set its mode to `off`), and its webhook or the App's"
    " installation out of the forge."
)


class Command(ProductCommand, needs=Needs.DATABASE):
    help = (
        "Leave a repository: end its runs, close the service's changes, delete branches and"
        " comments, remove hooks, export the audit."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("repository", help="owner/name, as in the runs")
        parser.add_argument(
            "--yes",
            action="store_true",
            help="do it; without it nothing is changed and it says what would be done",
        )
        parser.add_argument(
            "--export", type=Path, help="where the audit goes; default: in the data directory"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["repository"]
        open_runs = list(
            Run.objects.filter(repository=name)
            .exclude(status__in=ENDED)
            .values_list("id", flat=True)
        )
        if not options["yes"]:
            forge = policies.current().repository(name).forge
            self.stdout.write(
                f"would abort {len(open_runs)} open runs of {name}, close its changes, delete"
                " branches, comments and hooks"
            )
            self.stdout.write(
                f"at {forge}, and export the audit. Nothing was changed: --yes does it."
            )
            return
        exported = self.exported(name, options["export"])
        aborted = sum(self.aborted(run_id) for run_id in open_runs)
        done = self.left(name)
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {"repository": name, "aborted": aborted, "done": done, "audit": str(exported)}
                )
            )
            return
        self.stdout.write(
            "\n".join(
                [
                    f"aborted {aborted} runs",
                    *done,
                    f"the audit is in {exported}",
                    AFTER.format(name=name),
                ]
            )
        )

    def aborted(self, run_id: UUID) -> bool:
        try:
            service.perform(
                run_id,
                "abort",
                note="the service leaves the repository",
                by=CLI,
                tools=registry.tools(),
            )
        except Refused:
            return False
        return True

    def left(self, name: str) -> list[str]:
        tools, repository = registry.tools(), policies.current().repository(name)
        forge = tools.forges.get(repository.forge)
        if forge is None:
            return [f"there is no forge {repository.forge}: nothing was asked of it"]
        if forge.leaving is None:
            return ["nothing to close: approved changes are commits of the branch"]
        site = Site(repository=name, policy=repository, url=tools.url)
        try:
            return forge.leaving(site).leave()
        except (PermanentError, TransientError) as error:
            raise CommandError(
                f"the forge could not be cleaned up: {error}. Run it again when that is mended."
            ) from None

    def exported(self, name: str, place: Path | None) -> Path:
        """Every fact of every run of the repository, before anything is changed."""
        path = (
            place or Path(settings.CI_HEALING["DATA_DIR"]) / f"left-{name.replace('/', '-')}.jsonl"
        )
        lines = StringIO()
        for run_id in (
            Run.objects.filter(repository=name).order_by("created_at").values_list("id", flat=True)
        ):
            call_command("audit", "export", run=str(run_id), stdout=lines)
        path.write_text(lines.getvalue(), encoding="utf-8")
        return path
