"""Asking CircleCI. Source: API v2."""

from __future__ import annotations

import re

import httpx

from cihealing.http.client import Conversation
from cihealing.ports import PermanentError
from cihealing.providers.circleci.hosts import HOSTS
from cihealing.providers.circleci.settings import CircleCISettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire
from cihealing.settings import separated

API = _outbound.RestApi(
    title="CircleCI",
    hosts=HOSTS,
    token="CI_HEALING_CIRCLECI_TOKEN",  # noqa: S106 - the name of the setting
    headers={"Accept": "application/json"},
    credential=lambda token: {"Circle-Token": token},
    # Ids are unique over all of CircleCI.
    same=lambda _api, _host: True,
)
ID = r"[0-9a-fA-F-]{1,36}"
NEED = "a personal API token of someone who follows the project"


def talk(
    settings: CircleCISettings, *, transport: httpx.BaseTransport | None, otherwise: str = ""
) -> Conversation:
    token = settings.token
    side = API.side(
        settings,
        bases=separated(settings.circleci_url),
        token=token,
        host="",
        need=NEED,
        wanted="logs and reruns",
        otherwise=otherwise,
    )
    return _outbound.talk(side, settings=settings, transport=transport)


def asked_about(subject: str) -> _outbound.Subject:
    return _outbound.Subject(api=API, subject=subject, need=f"to be {NEED}")


def known(text: str) -> str:
    if not re.fullmatch(ID, text):
        raise PermanentError(
            f"{text[:50]!r} is no id of CircleCI: send the log with `cihealing notify --log"
            " build.log`"
        )
    return text


def paged(conversation: Conversation, path: str, *, asked: _outbound.Subject) -> list[_wire.Fields]:
    items: list[_wire.Fields] = []
    token = ""
    for _ in range(_outbound.MAX_PAGES):
        page = asked.fields(conversation.get(path, params={"page-token": token} if token else None))
        items += page.children("items")
        token = page.optional("next_page_token", limit=2_000)
        if not token:
            break
    return items


def jobs_of(
    conversation: Conversation, workflow: str, *, asked: _outbound.Subject
) -> list[_wire.Fields]:
    with asked.readable():
        return paged(conversation, f"api/v2/workflow/{workflow}/job", asked=asked)
