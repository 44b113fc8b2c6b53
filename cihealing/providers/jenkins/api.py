"""Asking Jenkins about builds. Source: 'Remote Access API'."""

from __future__ import annotations

import base64
import re

import httpx

from cihealing.http.client import Conversation
from cihealing.ports import PermanentError
from cihealing.providers.jenkins.hosts import HOSTS
from cihealing.providers.jenkins.settings import JenkinsSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire

USER = "CI_HEALING_JENKINS_USER"
API = _outbound.RestApi(
    title="Jenkins",
    hosts=HOSTS,
    token="CI_HEALING_JENKINS_TOKEN",  # noqa: S106 - the name of the setting
    headers={},
    credential=lambda token: {
        "Authorization": f"Basic {base64.b64encode(token.encode()).decode()}"
    },
    same=lambda api, host: api == host,
    example="https://{host}, or http:// where it has no other; several are separated by commas",
)
RUN = re.compile(r"(?P<job>(?:[\x21-\x7e]+/)?job/[\x21-\x7e]+)/(?P<number>[0-9]{1,10})")
_BUILD = (
    "number,queueId,url,building,result,timestamp,duration,"
    "actions[lastBuiltRevision[SHA1,branch[name]],remoteUrls]"
)
MAX_BUILDS = 50


def talk(
    settings: JenkinsSettings,
    *,
    host: str,
    need: str,
    transport: httpx.BaseTransport | None,
    otherwise: str = "",
) -> Conversation:
    user, token = settings.jenkins_user.strip(), settings.token
    if token and not user:
        raise PermanentError(
            f"set {USER}: {API.token} is of no use without the user it is a token of"
        )
    both = f"{user}:{token}" if token else ""
    side = API.side(
        settings,
        bases=settings.jenkins_url,
        token=both,
        host=host,
        need=need,
        wanted="logs and reruns",
        otherwise=otherwise,
    )
    return _outbound.talk(side, settings=settings, transport=transport)


def asked_about(subject: str, need: str) -> _outbound.Subject:
    return _outbound.Subject(api=API, subject=subject, need=need)


def run_at(conversation: Conversation, run: str) -> tuple[str, int]:
    """Path of the job below the base URL, and number of the build. Raises PermanentError for what
    is no build of this Jenkins.
    """
    found, context = RUN.fullmatch(run), conversation.side.base.target.path.strip("/")
    if found is None or (context and not run.startswith(f"{context}/job/")):
        raise PermanentError(
            f"{run[:100]!r} is no build at {conversation.side.base.url}: check {HOSTS.setting}"
        )
    return found["job"].removeprefix(context).strip("/"), int(found["number"])


def builds_of(
    conversation: Conversation, job: str, *, asked: _outbound.Subject
) -> list[_wire.Fields]:
    """The newest builds of the job, newest first."""
    return asked.fields(
        conversation.get(f"{job}/api/json", params={"tree": f"builds[{_BUILD}]{{0,{MAX_BUILDS}}}"})
    ).children("builds")
