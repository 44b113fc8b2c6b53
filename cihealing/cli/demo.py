"""`cihealing demo`: make the demo's repositories, build them and post the results to a running
service.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from threading import Event
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.demo import builds
from cihealing.settings import separated

WEBHOOK = "/api/v1/ci-healing/webhook"


class Command(ProductCommand, needs=Needs.DATA):
    help = (
        "Make six small repositories in the data directory, build them for real and post the"
        " results to the running service."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--url",
            default=settings.CI_HEALING["URL"] or "http://127.0.0.1:8000",
            help="the service (default: %(default)s)",
        )

    def handle(self, *args: Any, url: str, **options: Any) -> None:
        secret = next(iter(separated(settings.CI_HEALING["WEBHOOK_SECRET"])), "")
        if not secret:
            raise CommandError(
                "no webhook secret: start the service once with `cihealing up`, or set"
                " CI_HEALING_WEBHOOK_SECRET"
            )
        root = Path(settings.CI_HEALING["DATA_DIR"]) / "demo"
        if builds.finished(root):
            return self.stdout.write(
                f"the demo in {root} has been delivered already; remove that directory to make a"
                " new one"
            )
        post = builds.Post(url=url.rstrip("/") + WEBHOOK, secret=secret)
        stay = builds.Day(
            root=root,
            policy=Path(settings.CI_HEALING["POLICY_FILE"]),
            post=post,
            stopping=Event(),
            tell=self.stdout.write,
        )
        stay.run()
        return self.stdout.write(
            "the artifact mirror ends with this command; `cihealing up` starts it again"
        )
