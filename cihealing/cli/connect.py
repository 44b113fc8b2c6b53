"""`cihealing connect github`: make a GitHub App for this service, with what it needs and nothing
else.
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError

from cihealing import registry
from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.cli.shared.once import Once
from cihealing.first_start import keep
from cihealing.ports import PermanentError, TransientError
from cihealing.providers.github import manifest as github_manifest
from cihealing.providers.github.manifest import PERMISSIONS, App
from cihealing.providers.github.settings import GitHubSettings

FILES = ("github_app_id", "github_app_private_key", "webhook_secret_github")
"""In the data directory, where the service's settings look for them."""


class Command(ProductCommand, needs=Needs.DATA):
    help = (
        "Make a GitHub App for this service in the browser, and keep its key and its webhook's"
        " secret in the data directory."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("forge", choices=["github"], help="where the App is made")
        parser.add_argument(
            "--url", help="where GitHub reaches this service (default: CI_HEALING_URL)"
        )
        parser.add_argument(
            "--no-webhook",
            action="store_true",
            help="GitHub does not reach this service: it only asks, and hears nothing",
        )
        parser.add_argument(
            "--name", default="cihealing", help="of the App; taken names are refused by GitHub"
        )
        parser.add_argument(
            "--organization", default="", help="whose App it is to be; without it, yours"
        )
        parser.add_argument("--code", help="finish with the code of the address GitHub led to")
        parser.add_argument(
            "--print-manifest",
            action="store_true",
            help="print what would be asked for, and do nothing",
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="though there is an App already; its key is kept beside the new one's",
        )
        parser.add_argument(
            "--wait", type=float, default=900.0, help="seconds to wait for the browser"
        )
        parser.add_argument(
            "--port", type=int, default=0, help="of the page to open (default: a free one)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        url = self._url(options)
        if options["print_manifest"]:
            self.stdout.write(json.dumps(self._manifest(options, url, redirect_url=""), indent=2))
            return
        self._require_new(options)
        try:
            code = options["code"] or self._asked(options, url)
            app = github_manifest.convert(code, registry.own_of(GitHubSettings))
        except (PermanentError, TransientError, ValueError) as problem:
            raise CommandError(str(problem)) from None
        self._keep(app)
        self._tell(app)

    def _url(self, options: dict[str, Any]) -> str:
        url = options["url"] or settings.CI_HEALING["URL"]
        parts = urlsplit(url)
        if options["no_webhook"]:
            return url or "https://github.com"
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
            raise CommandError(
                "GitHub must reach this service by https: say where with --url or CI_HEALING_URL,"
                " or use --no-webhook"
            )
        return str(url)

    def _manifest(self, options: dict[str, Any], url: str, *, redirect_url: str) -> dict[str, Any]:
        return github_manifest.manifest(
            name=options["name"],
            url=url,
            redirect_url=redirect_url,
            active=not options["no_webhook"],
        )

    def _require_new(self, options: dict[str, Any]) -> None:
        known = registry.own_of(GitHubSettings).github_app_id
        if known and not options["again"]:
            raise CommandError(
                f"there is the App {known} already: `cihealing doctor --online` says whether it"
                " works; --again makes another"
            )

    def _asked(self, options: dict[str, Any], url: str) -> str:
        try:
            once = Once(port=options["port"])
        except OSError as error:
            raise CommandError(f"port {options['port']} cannot be used: {error.strerror}") from None
        site = github_manifest.site_of(registry.own_of(GitHubSettings))
        action = github_manifest.form_url(
            site, organization=options["organization"], state=once.state
        )
        made = self._manifest(options, url, redirect_url=f"{once.url}/callback")
        once.ask(
            made, action=action, reasons={f"{p.name}: {p.level}": p.reason for p in PERMISSIONS}
        )
        self.stdout.write(
            f"Open {once.url} in a browser on this machine (from elsewhere: ssh -L), and follow it"
            f" to {site}."
        )
        self.stdout.write(
            "The App may:\n"
            + "\n".join(f"  {p.name:14} {p.level:6} {p.reason}" for p in PERMISSIONS)
        )
        self.stdout.flush()
        code = once.wait(options["wait"])
        if not code:
            raise CommandError(
                "nobody came back from GitHub in time; nothing was kept. Begin again, or finish"
                " with --code"
            )
        return code

    def _keep(self, app: App) -> None:
        data = Path(settings.CI_HEALING["DATA_DIR"])
        for name, value in zip(FILES, (app.id, app.private_key, app.webhook_secret), strict=True):
            if value:
                keep(data / name, value)

    def _tell(self, app: App) -> None:
        data = settings.CI_HEALING["DATA_DIR"]
        given = [
            f"CI_HEALING_{name.upper()}"
            for name in FILES
            if os.environ.get(f"CI_HEALING_{name.upper()}")
        ]
        lines = [
            (
                f"App {app.slug or app.id} is made; its id, key and webhook secret are in {data}"
                f" ({', '.join(FILES)}), for this user only."
            ),
            *([f"Unset {', '.join(given)}: the environment wins over the files."] if given else []),
            "Next:",
            (
                "  1. Install it on the repositories that may be healed:"
                f" {app.page.rstrip('/')}/installations/new"
            ),
            (
                "  2. Name them in policy: `repositories: [{match: owner/name, forge: github,"
                " clone_url: https://…}]`."
            ),
            (
                "  3. Set CI_HEALING_GITHUB_ENABLED=true when changes may be opened (after a"
                " person's approval), and start the service again."
            ),
            "  4. `cihealing doctor --online` looks whether all of it works.",
        ]
        self.stdout.write("\n".join(lines))
