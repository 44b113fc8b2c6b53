"""`cihealing up`: the whole service in one process."""

from __future__ import annotations

import os
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from celery.app import app_or_default
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from cihealing import embedded, ending, first_start, registry, room, service
from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.connections import QUEUE, Bounds, at_most
from cihealing.demo import builds
from cihealing.models import Delivery
from cihealing.settings import separated

WEBHOOK = "/api/v1/ci-healing/webhook"


class Command(ProductCommand, needs=Needs.FIRST_START):
    help = (
        "Run the service: web, worker and clock in one process. Makes what is missing on first"
        " start."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--host",
            default="127.0.0.1",
            help="address to listen on (default: %(default)s, this machine alone)",
        )
        parser.add_argument(
            "--port",
            type=int,
            default=8000,
            help="port to listen on (default: %(default)s; 0 takes a free one)",
        )
        parser.add_argument(
            "--no-demo",
            action="store_true",
            help="do not make the demo's repositories on an empty database",
        )

    def handle(self, *args: Any, host: str, port: int, no_demo: bool, **options: Any) -> None:
        data = Path(settings.CI_HEALING["DATA_DIR"])
        # Logs and diffs lie in the database: neither it nor anything else made here is for other
        # users of this machine.
        os.umask(0o077)
        try:
            with embedded.locked(data):
                self.run(data, host=host, port=port, demo=not no_demo)
                embedded.leave()
        except (embedded.AlreadyRunning, embedded.CannotListen) as error:
            raise CommandError(str(error)) from None

    def run(self, data: Path, *, host: str, port: int, demo: bool) -> None:
        sock = embedded.listen(host, port=port)
        room.require()
        settings.CI_HEALING["URL"] = settings.CI_HEALING["URL"] or url_of(
            host, port=sock.getsockname()[1]
        )
        self.check()
        password = self.migrate(data)
        day = (
            self.day(data, sock_port=sock.getsockname()[1], host=host)
            if demo and demo_wanted(data)
            else None
        )

        def ready() -> None:
            self.announce(data, password=password)
            threading.Thread(
                target=registry.warn_of_excess, name="credentials", daemon=True
            ).start()
            if day:
                threading.Thread(target=day.run, name="demo", daemon=True).start()
            elif demo and builds.begun(data / "demo"):
                builds.start_mirror(data / "demo")

        enabled = settings.CI_HEALING["ENABLED"]
        celery = app_or_default() if enabled else None
        clear_up_after_a_crash()
        embedded.serve(
            "config.asgi:application",
            sock=sock,
            celery=celery,
            workers=settings.CI_HEALING["WORKERS"],
            ready=ready,
            bounds=bounds(),
        )
        if connection.vendor == "sqlite":
            service.reclaim(counted=False)

    def migrate(self, data: Path) -> str | None:
        """The password of an admin made now, if one was. Raises CommandError."""
        call_command("migrate", verbosity=0, interactive=False)
        try:
            return first_start.ensure_admin(data)
        except first_start.NoPassword as error:
            raise CommandError(str(error)) from None

    def day(self, data: Path, *, sock_port: int, host: str) -> builds.Day:
        post = builds.Post(
            url=url_of(host, port=sock_port) + WEBHOOK,
            secret=next(iter(separated(settings.CI_HEALING["WEBHOOK_SECRET"])), ""),
        )
        policy = Path(settings.CI_HEALING["POLICY_FILE"])
        return builds.Day(
            root=data / "demo", policy=policy, post=post, stopping=ending.stopping, tell=self.tell
        )

    def tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def announce(self, data: Path, *, password: str | None) -> None:
        """The address and the login come last: they are what one looks for."""
        if not settings.CI_HEALING["ENABLED"]:
            self.tell("CI_HEALING_ENABLED=false: deliveries are kept, nothing is healed")
        problem = None if settings.CI_HEALING["SANDBOX"] == "plain" else registry.sandbox_trouble()
        if problem:
            self.tell(
                f"{problem}: repository code is not run, failures are diagnosed only (see"
                " `cihealing doctor`)"
            )
        in_urls = registry.named(lambda one: one.secret_in_url)
        secrets = ["webhook_secret", *(f"webhook_secret_{name}" for name in in_urls), "api_token"]
        self.tell(f"secrets:  {', '.join(f'{data}/{name}' for name in secrets)}")
        self.tell(f"cihealing is up: {settings.CI_HEALING['URL']}")
        # What is no terminal is a log, or may become one.
        shown = (
            f"/ {password}"
            if password and self.stdout.isatty()
            else f"(password in {data}/admin_password)"
        )
        self.tell(f"login:    {first_start.ADMIN} {shown}")


def bounds() -> Bounds:
    """Of connections, as the settings say. Requests and streams must find room among what there is,
    so these get smaller with it.
    """
    told = settings.CI_HEALING
    most = at_most(told["MAX_CONNECTIONS"], share=3 / 8)
    told["MAX_REQUESTS"] = at_most(told["MAX_REQUESTS"], share=1 / 32)
    told["MAX_STREAMS"] = min(told["MAX_STREAMS"], most // 2)
    return Bounds(
        header=told["HEADER_TIMEOUT"],
        idle=told["IDLE_TIMEOUT"],
        body=told["BODY_TIMEOUT"],
        write=told["WRITE_TIMEOUT"],
        connections=most,
        queue=at_most(QUEUE, share=1 / 8),
    )


def url_of(host: str, *, port: int) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


def clear_up_after_a_crash() -> None:
    """What a killed process left: sandboxes, trees, and leases nobody else can hold (SQLite has one
    process).
    """
    registry.end_leftovers()
    if connection.vendor == "sqlite":
        service.reclaim()


def demo_wanted(data: Path) -> bool:
    """On an empty database; and again where an earlier start began the demo and did not get to its
    end.
    """
    root = data / "demo"
    return not builds.finished(root) if builds.begun(root) else not Delivery.objects.exists()
