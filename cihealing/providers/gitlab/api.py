"""Asking GitLab about jobs. Source: Jobs API."""

from __future__ import annotations

import re
from urllib.parse import quote

import httpx

from cihealing.http.client import Conversation
from cihealing.ports import PermanentError
from cihealing.providers.gitlab.hosts import HOSTS
from cihealing.providers.gitlab.settings import GitLabSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire
from cihealing.settings import separated

API = _outbound.RestApi(
    title="GitLab",
    hosts=HOSTS,
    token="CI_HEALING_GITLAB_TOKEN",  # noqa: S106 - the name of the setting
    headers={"Accept": "application/json"},
    credential=lambda token: {"PRIVATE-TOKEN": token},
    same=lambda api, host: api == host,
    example="https://{host}",
)


def talk(
    settings: GitLabSettings,
    repository: str,
    *,
    host: str,
    transport: httpx.BaseTransport | None,
    scope: str = "read_api",
    otherwise: str = "",
) -> Conversation:
    token, need = settings.token.strip(), f"{scope} on {repository}"
    side = API.side(
        settings,
        bases=separated(settings.gitlab_url),
        token=token,
        host=host,
        need=need,
        wanted="logs and reruns",
        otherwise=otherwise,
    )
    return _outbound.talk(side, settings=settings, transport=transport)


def asked_about(subject: str, repository: str, *, scope: str = "read_api") -> _outbound.Subject:
    return _outbound.Subject(api=API, subject=subject, need=f"{scope} on {repository}")


def number(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise PermanentError(
            f"{text[:100]!r} is no id of GitLab: send the log with `cihealing notify --log"
            " build.log`"
        )
    return text


def project(repository: str) -> str:
    return f"api/v4/projects/{quote(repository, safe='')}"


def jobs_of(
    conversation: Conversation,
    repository: str,
    *,
    pipeline: str,
    asked: _outbound.Subject,
    retried: bool,
) -> list[_wire.Fields]:
    jobs: list[_wire.Fields] = []
    for page in range(1, _outbound.MAX_PAGES + 1):
        params: dict[str, str | int] = {
            "per_page": _outbound.PER_PAGE,
            "page": page,
            "include_retried": str(retried).lower(),
        }
        found = asked.items(
            conversation.get(f"{project(repository)}/pipelines/{pipeline}/jobs", params=params)
        )
        jobs += found
        if len(found) < _outbound.PER_PAGE:
            break
    return jobs
