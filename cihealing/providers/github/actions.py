"""Asking GitHub Actions about jobs and workflow runs."""

from __future__ import annotations

import re

import httpx

from cihealing.http.client import Conversation
from cihealing.providers.github import app as github_app
from cihealing.providers.github.hosts import HOSTS
from cihealing.providers.github.settings import GitHubSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire
from cihealing.settings import separated

API = _outbound.RestApi(
    title="GitHub",
    hosts=HOSTS,
    token=github_app.TOKEN,
    headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
    credential=lambda token: {"Authorization": f"Bearer {token}"},
    same=lambda api, host: api in (host, f"api.{host}"),
    example="https://{host}/api/v3 for GitHub Enterprise Server",
)


def token_of(settings: GitHubSettings, repository: str) -> str:
    """The token requests about `repository` are made with; empty where there is none."""
    return github_app.token_for(repository, settings).strip()


def talk(
    settings: GitHubSettings,
    repository: str,
    *,
    host: str,
    wanted: str,
    transport: httpx.BaseTransport | None,
    scope: str = "actions:read",
) -> Conversation:
    """About jobs of `repository`, at the GitHub they ran on (`host`; empty: the first there is)."""
    need, token = f"{scope} on {repository}", token_of(settings, repository)
    side = API.side(
        settings,
        bases=separated(settings.github_api_url),
        token=token,
        host=host,
        need=need,
        wanted=wanted,
    )
    return _outbound.talk(side, settings=settings, transport=transport)


def asked_about(subject: str, repository: str, *, scope: str = "actions:read") -> _outbound.Subject:
    return _outbound.Subject(api=API, subject=subject, need=f"{scope} on {repository}")


def is_id(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,20}", text))


def jobs_at(
    conversation: Conversation, path: str, *, asked: _outbound.Subject, which: str = "latest"
) -> list[_wire.Fields]:
    """`which`: `latest` tries of a run's jobs, or `all`."""
    jobs: list[_wire.Fields] = []
    for page in range(1, _outbound.MAX_PAGES + 1):
        params = {"per_page": _outbound.PER_PAGE, "page": page} | (
            {} if "/attempts/" in path else {"filter": which}
        )
        with asked.readable():
            found = asked.fields(conversation.get(path, params=params)).children("jobs")
        jobs += found
        if len(found) < _outbound.PER_PAGE:
            break
    return jobs
