"""Asking Buildkite about builds and their jobs. Source: REST 'Jobs API', 'Builds API'."""

from __future__ import annotations

import re

import httpx

from cihealing.http.client import Conversation
from cihealing.ports import PermanentError
from cihealing.providers.buildkite.hosts import HOSTS
from cihealing.providers.buildkite.settings import BuildkiteSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.settings import separated

API = _outbound.RestApi(
    title="Buildkite",
    hosts=HOSTS,
    token="CI_HEALING_BUILDKITE_TOKEN",  # noqa: S106 - the name of the setting
    headers={"Accept": "application/json"},
    credential=lambda token: {"Authorization": f"Bearer {token}"},
    # Ids are unique over all of Buildkite, and there is one of it.
    same=lambda _api, _host: True,
)
_PAGE = re.compile(
    r"https?://[^/]+/(?P<org>[A-Za-z0-9_-]{1,60})/(?P<pipeline>[A-Za-z0-9_-]{1,100})/builds/(?P<number>[0-9]{1,12})(?:[/#?].*)?"
)
JOB = r"[0-9a-fA-F-]{1,36}"
ROOT = "v2/organizations/"


def talk(
    settings: BuildkiteSettings,
    *,
    scope: str,
    transport: httpx.BaseTransport | None,
    otherwise: str = "",
) -> Conversation:
    side = API.side(
        settings,
        bases=separated(settings.buildkite_url),
        token=settings.token,
        host="",
        need=scope,
        wanted="logs and reruns",
        otherwise=otherwise,
    )
    return _outbound.talk(side, settings=settings, transport=transport)


def asked_about(subject: str, *, scope: str) -> _outbound.Subject:
    return _outbound.Subject(api=API, subject=subject, need=scope)


def build_path(page: str) -> str:
    """The build's path in the API, from the address of its page. Raises PermanentError."""
    found = _PAGE.fullmatch(page)
    if found is None:
        raise PermanentError(
            "no build of Buildkite can be told from the job's page: send the log with `cihealing"
            " notify --log build.log`"
        )
    return f"{ROOT}{found['org']}/pipelines/{found['pipeline']}/builds/{found['number']}"
