"""Asking Gitea or Forgejo about jobs and workflow runs.

Source: its API description (`/api/swagger`), 'repository'.
"""

from __future__ import annotations

import re

import httpx

from cihealing.http.client import Conversation
from cihealing.ports import PermanentError
from cihealing.providers.gitea.hosts import HOSTS
from cihealing.providers.gitea.settings import GiteaSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire

TOKEN = "CI_HEALING_GITEA_TOKEN"  # noqa: S105 - the name of the setting
API = _outbound.RestApi(
    title="Gitea",
    hosts=HOSTS,
    token=TOKEN,
    headers={"Accept": "application/json"},
    credential=lambda token: {"Authorization": f"token {token}"},
    same=lambda api, host: api == host,
    example="https://{host}, or http:// where it has no other; several are separated by commas",
)
READ, WRITE = "read:repository", "write:repository"
PER_PAGE = 50
"""What servers give at most, unless they are set up otherwise."""


def talk(
    settings: GiteaSettings,
    repository: str,
    *,
    host: str,
    transport: httpx.BaseTransport | None,
    scope: str = READ,
    wanted: str = "logs and reruns",
    otherwise: str = "",
) -> Conversation:
    token, need = settings.token, f"{scope} on {repository}"
    side = API.side(
        settings,
        bases=settings.gitea_url,
        token=token,
        host=host,
        need=need,
        wanted=wanted,
        otherwise=otherwise,
    )
    return _outbound.talk(side, settings=settings, transport=transport)


def asked_about(subject: str, repository: str, *, scope: str = READ) -> _outbound.Subject:
    return _outbound.Subject(api=API, subject=subject, need=f"{scope} on {repository}")


def actions(repository: str) -> str:
    return f"api/v1/repos/{repository}/actions"


def number(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise PermanentError(
            f"{text[:100]!r} is no id of Gitea: send the log with `cihealing notify --log"
            " build.log`"
        )
    return text


def jobs_of(
    conversation: Conversation, repository: str, run: str, *, asked: _outbound.Subject
) -> list[_wire.Fields]:
    """The jobs of a run's latest attempt. A page may hold fewer than were asked for (a server's own
    bound): only one that brings nothing new is the last.
    """
    jobs: dict[str, _wire.Fields] = {}
    for page in range(1, _outbound.MAX_PAGES + 1):
        params: dict[str, str | int] = {"limit": PER_PAGE, "page": page}
        with asked.readable():
            answer = asked.fields(
                conversation.get(f"{actions(repository)}/runs/{run}/jobs", params=params)
            )
            # Older versions call the list so.
            found = answer.children("jobs" if "jobs" in answer else "workflow_jobs")
            new = {job.ident("id"): job for job in found}
        if new.keys() <= jobs.keys():
            break
        jobs |= {key: job for key, job in new.items() if key not in jobs}
    return list(jobs.values())
