"""What people press in Slack: signed requests on raw bytes, each bound to the version that was
shown.

Source: Slack docs, 'Verifying requests from Slack', 'Handling user interaction', 'block_actions'.
"""

from __future__ import annotations

import logging
import re
import ssl
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from slack_sdk.signature import SignatureVerifier

from cihealing import hooks, policy_file, registry, service
from cihealing.domain.review import ACTS
from cihealing.domain.run import Refused
from cihealing.domain.values import Actor
from cihealing.ports import BadPayload, HeadMovedError, PermanentError, TransientError
from cihealing.providers.shared import wire as _wire
from cihealing.providers.slack.blocks import escaped
from cihealing.providers.slack.settings import SlackSettings
from cihealing.read.access import may_act
from cihealing.secrecy import masked
from cihealing.web.problems import problem
from cihealing.wording.telling import OFFERED

logger = logging.getLogger(__name__)

MAX_BODY = 256 * 1024
STAMP, SIGNATURE = re.compile(r"[0-9]{1,11}"), re.compile(r"v0=[0-9a-f]{64}")
SETTING = "CI_HEALING_SLACK_SIGNING_SECRET"
ACTIONS = {f"cihealing.{action}": action for action in OFFERED}


class Wrong(Exception):
    """The request is authentic and says nothing that can be done; the message is for the person who
    pressed.
    """


@csrf_exempt
@require_POST
def slack(request: HttpRequest) -> HttpResponse:
    try:
        body = request.read(MAX_BODY + 1)
    except UnreadablePostError:
        return problem("bad-request", status=400, title="The body ended early")
    if len(body) > MAX_BODY:
        return problem(
            "too-large",
            status=413,
            title="The body is too large",
            detail=f"At most {MAX_BODY} bytes are taken.",
        )
    if wrong := _unsigned(request, body):
        return problem(
            "bad-signature",
            status=401,
            title="The signature does not prove that Slack sent it",
            detail=wrong,
        )
    told: dict[str, Any] = {}
    try:
        told = _payload(body)
        _answer(told, _done(told))
    except Wrong as error:
        _answer(told, str(error))
    return HttpResponse(status=200)


def _unsigned(request: HttpRequest, body: bytes) -> str:
    """Why this is not Slack's; empty where it is."""
    given_here = registry.own_of(SlackSettings).slack_signing_secret
    secrets = hooks.split(given_here.get_secret_value())
    if not secrets:
        return f"no secret is set here: set {SETTING}"
    at, given = (
        request.headers.get("X-Slack-Request-Timestamp", ""),
        request.headers.get("X-Slack-Signature", ""),
    )
    # slack-sdk reads numbers and compares text, and raises where there is no number or the text is
    # not ASCII.
    formed = STAMP.fullmatch(at) and SIGNATURE.fullmatch(given)
    if formed and any(_verifies(secret, body, at=at, given=given) for secret in secrets):
        return ""
    return (
        "X-Slack-Signature is not of a secret known here, or X-Slack-Request-Timestamp not of the"
        " last five minutes"
    )


def _verifies(secret: str, body: bytes, *, at: str, given: str) -> bool:
    """Signed with `secret` and no replay: slack-sdk takes what is at most five minutes old."""
    try:
        return SignatureVerifier(secret).is_valid(body, at, given)
    except UnicodeDecodeError:
        return False


def _payload(body: bytes) -> dict[str, Any]:
    try:
        return _wire.json_object(parse_qs(body, max_num_fields=5)[b"payload"][0])
    except (ValueError, KeyError, BadPayload):
        raise Wrong("That could not be read.") from None


def _done(told: dict[str, Any]) -> str:
    """Carry out what was pressed; what to tell the person."""
    action, run_id, act, version = _pressed(told)
    if not action:
        return ""
    by = _person(told)
    try:
        run = service.perform(
            run_id, action, act=act, version=version, by=by, tools=registry.tools()
        )
    except service.NoSuchRun:
        raise Wrong("There is no such run.") from None
    except (Refused, HeadMovedError, TransientError, PermanentError) as error:
        raise Wrong(f"That was not done: {error}.") from None
    return f"Done: {action}{f' ({act})' if act else ''}; the run is {run.status} now."


def _pressed(told: dict[str, Any]) -> tuple[str, UUID, str, int]:
    """(action, run, act, version); an empty action for what only opens a page."""
    actions = told.get("actions")
    first = (
        actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], dict) else {}
    )
    if told.get("type") != "block_actions" or str(first.get("action_id")) not in ACTIONS:
        return "", UUID(int=0), "", 0
    run, act, version = (*str(first.get("value", "")).split("|"), "", "", "")[:3]
    try:
        if act not in ("", *ACTS) or not version.isdecimal():
            raise ValueError
        return ACTIONS[str(first["action_id"])], UUID(run), act, int(version[:10])
    except ValueError:
        raise Wrong("That button belongs to no run of this service.") from None


def _person(told: dict[str, Any]) -> Actor:
    """The user of the service that policy links to the one in Slack. Raises Wrong."""
    user = told.get("user")
    slack_id = str(user.get("id", ""))[:40] if isinstance(user, dict) else ""
    linked = policy_file.current()[0].chat.people.get(slack_id, "")
    known = User.objects.filter(username=linked).first() if linked else None
    if known is None:
        raise Wrong(
            f"You are not linked to a user here: an administrator adds `{slack_id}: <user name>`"
            " under `chat: people` in policy."
        )
    if not may_act(known):
        raise Wrong(f"{known.username} is no operator here.")
    return Actor(kind="person", name=known.username)


def _answer(told: dict[str, Any], text: str) -> None:
    """Only the person who pressed sees it. Slack takes no text in the answer to a button, it names
    where to send it.
    """
    place = told.get("response_url")
    if not text or not isinstance(place, str) or not _of_slack(place):
        return
    body = {
        "response_type": "ephemeral",
        "replace_original": False,
        "text": escaped(masked(text))[:1_000],
    }
    settings = registry.own_of(SlackSettings)
    verify = ssl.create_default_context(cafile=settings.ca_bundle or None)
    try:
        httpx.post(
            place,
            json=body,
            timeout=3.0,
            trust_env=False,
            verify=verify,
            proxy=settings.https_proxy or None,
            follow_redirects=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        logger.info("who pressed a button could not be answered: %s", type(error).__name__)


def _of_slack(place: str) -> bool:
    """Slack's own host, or that of the API's URL where it is another."""
    parts, own = (urlsplit(place), urlsplit(registry.own_of(SlackSettings).slack_api_url))
    return (parts.scheme, parts.hostname) == ("https", "hooks.slack.com") or (
        own.hostname != "slack.com" and (parts.scheme, parts.netloc) == (own.scheme, own.netloc)
    )
