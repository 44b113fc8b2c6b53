"""A GitHub App made from a manifest: what it asks for and why, and the exchange of the code that
GitHub gives for it.

Source: GitHub docs, 'Registering a GitHub App from a manifest'; REST 'Create a GitHub App from a
manifest'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from cihealing import secrecy
from cihealing.ports import PermanentError, TransientError
from cihealing.providers.github.settings import GitHubSettings

TIMEOUT = 30.0
MAX_ANSWER = 200_000


@dataclass(frozen=True, kw_only=True)
class Permission:
    name: str
    level: str
    reason: str


PERMISSIONS = (
    Permission(
        name="metadata",
        level="read",
        reason="every App needs it; it also tells whether an approver may push",
    ),
    Permission(name="actions", level="write", reason="read logs of jobs, run failed jobs again"),
    Permission(
        name="checks",
        level="write",
        reason="hear of red checks, follow a change's own CI, show a diagnosis at the commit",
    ),
    Permission(
        name="statuses",
        level="read",
        reason="hear of red statuses, and follow a change's own CI where it reports so",
    ),
    Permission(
        name="contents",
        level="write",
        reason="clone; push the branch cihealing/<run> of an approved fix",
    ),
    Permission(
        name="pull_requests",
        level="write",
        reason="open, follow, comment on and close the pull request of an approved fix",
    ),
)
"""All there is. No `workflows`: the service cannot change what CI runs, whatever a patch says."""
EVENTS = ("workflow_job", "workflow_run", "check_run", "status", "pull_request", "push")
"""`installation` and `installation_repositories` come unasked."""


@dataclass(frozen=True, kw_only=True)
class App:
    """What GitHub gives once. The secrets are in no repr."""

    id: str
    slug: str
    page: str
    private_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)


def manifest(*, name: str, url: str, redirect_url: str, active: bool = True) -> dict[str, Any]:
    """`url`: where GitHub reaches the service; `active` False makes an App without deliveries."""
    hook = {"url": f"{url.rstrip('/')}/api/v1/ci-healing/webhook/github", "active": active}
    made = {
        "name": name,
        "url": url,
        "hook_attributes": hook,
        "redirect_url": redirect_url,
        "public": False,
        "description": "Heals red CI builds, and shows the proof.",
        "default_permissions": {p.name: p.level for p in PERMISSIONS},
        "default_events": list(EVENTS) if active else [],
    }
    return (
        made
        if redirect_url
        else {key: value for key, value in made.items() if key != "redirect_url"}
    )


def site_of(settings: GitHubSettings) -> str:
    """The address people use, from the API's: github.com, or an Enterprise server's own host."""
    parts = urlsplit(settings.github_api_url)
    if parts.hostname == "api.github.com":
        return "https://github.com"
    path = parts.path.rstrip("/").removesuffix("/api/v3")
    return f"{parts.scheme}://{parts.netloc}{path}"


def form_url(site: str, *, organization: str, state: str) -> str:
    """Where the manifest is posted. Raises ValueError for what is no name of an organization."""
    if organization and not re.fullmatch(
        r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,98}[A-Za-z0-9])?", organization
    ):
        raise ValueError(f"{organization!r} is no name of an organization")
    owner = f"organizations/{organization}/" if organization else ""
    return f"{site}/{owner}settings/apps/new?{urlencode({'state': state})}"


def convert(code: str, settings: GitHubSettings) -> App:
    """The App behind a code, which is good for an hour and once. Raises PermanentError,
    TransientError.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{8,200}", code):
        raise PermanentError("that is no code of GitHub's")
    api = settings.github_api_url.rstrip("/")
    url = f"{api}/app-manifests/{quote(code, safe='')}/conversions"
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    try:
        with httpx.Client(
            timeout=TIMEOUT, follow_redirects=False, verify=settings.ca_bundle or True
        ) as client:
            answer = client.post(url, headers=headers)
    except httpx.HTTPError as error:
        raise TransientError(f"GitHub could not be reached: {type(error).__name__}") from None
    if answer.status_code in (404, 422):
        raise PermanentError(
            "GitHub does not know the code: it was used, or is older than an hour; begin again"
        )
    if answer.status_code >= 500 or answer.status_code in (403, 429):
        raise TransientError(
            f"GitHub answered {answer.status_code}: try again with --code within the hour"
        )
    if answer.status_code != 201:
        raise PermanentError(f"GitHub answered {answer.status_code}")
    return _app(answer)


def _app(answer: httpx.Response) -> App:
    try:
        told = answer.json() if len(answer.content) <= MAX_ANSWER else None
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise TransientError("GitHub's answer cannot be read")
    texts = {
        name: str(told.get(name) or "")
        for name in ("id", "slug", "html_url", "pem", "webhook_secret")
    }
    secrecy.learn(texts["pem"], texts["webhook_secret"], str(told.get("client_secret") or ""))
    if not re.fullmatch(r"[0-9]{1,20}", texts["id"]) or "PRIVATE KEY-----" not in texts["pem"]:
        raise TransientError("GitHub's answer names no App with a key")
    return App(
        id=texts["id"],
        slug=texts["slug"],
        page=texts["html_url"],
        private_key=texts["pem"],
        webhook_secret=texts["webhook_secret"],
    )


def compared(granted: Mapping[str, str]) -> list[str]:
    """Where an App's permissions are not those that are needed, in words; empty where they are."""
    short = [
        f"{p.name}: {p.level} is missing ({p.reason})"
        for p in PERMISSIONS
        if not _covers(granted.get(p.name, ""), p.level)
    ]
    return short + beyond(granted)


def beyond(granted: Mapping[str, str]) -> list[str]:
    """What an App may do and need not."""
    needed = {p.name: p.level for p in PERMISSIONS}
    return [
        f"{name}: {level} is more than is needed"
        for name, level in sorted(granted.items())
        if not _covers(needed.get(name, ""), level)
    ]


def _covers(level: str, wanted: str) -> bool:
    order = ("", "read", "write", "admin")
    return level in order and wanted in order and order.index(level) >= order.index(wanted)
