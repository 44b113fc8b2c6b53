"""Slack, by bot token (one message a run that is changed as the run goes on) or by incoming webhook
(which can change nothing).

Source: Slack docs, 'chat.postMessage', 'chat.update', 'conversations.history', 'Message metadata',
'Incoming webhooks', 'Rate limits'.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError, SlackRequestError
from slack_sdk.webhook import WebhookClient

from cihealing.ports import Message, PermanentError, TransientError
from cihealing.providers.slack.blocks import blocks, fallback, thread
from cihealing.providers.slack.settings import SlackSettings

TOKEN, WEBHOOK, CHANNEL = (
    "CI_HEALING_SLACK_BOT_TOKEN",
    "CI_HEALING_SLACK_WEBHOOK_URL",
    "CI_HEALING_SLACK_CHANNEL",
)
SIGNING = "CI_HEALING_SLACK_SIGNING_SECRET"
EVENT = "cihealing_run"
TIMEOUT = 10
RECENT = 100
"""Messages that are searched for one of ours."""
PASSING = ("ratelimited", "rate_limited", "service_unavailable", "team_added_to_org")
PARTLY = ("internal_error", "fatal_error", "request_timeout")
"""Some of the work may have been done before these."""
GONE = ("message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found")
ADVICE = {
    "invalid_auth": f"set {TOKEN} to a bot token that is valid",
    "token_revoked": f"set {TOKEN} to a bot token that is valid",
    "not_authed": f"set {TOKEN}",
    "channel_not_found": f"set {CHANNEL} to the id of a channel the bot is in",
    "not_in_channel": "invite the bot to the channel",
    "is_archived": f"the channel is archived: set {CHANNEL} to another",
    "missing_scope": (
        "the bot needs the scopes chat:write and, to find its own messages, channels:history"
    ),
}


@dataclass(frozen=True)
class SlackChat:
    """`ports.Chat` at Slack. A handle is `channel/timestamp`."""

    settings: SlackSettings
    name = "slack"

    def configured(self, *, channel: str = "") -> bool:
        return bool(self.settings.webhook or self._bots_channel(channel))

    def tell(self, message: Message, *, handle: str, channel: str = "") -> str:
        """Raises TransientError, PermanentError."""
        place = self._bots_channel(channel)
        if not place:
            return _by_webhook(message, self.settings)
        client = _client(self.settings)
        if handle and (changed := _changed(client, message, handle)):
            return changed
        known = _posted_before(client, message, place, but=handle)
        if known and (changed := _changed(client, message, known)):
            return changed
        try:
            return _posted(client, message, place)
        except Unsure as error:
            if known is None:
                raise PermanentError(
                    f"{error}: the message may have been posted, and without channels:history"
                    " nobody can look"
                ) from None
            raise

    def _bots_channel(self, named: str) -> str:
        """Where the bot posts; empty where there is none, or nowhere to post to."""
        return (named or self.settings.slack_channel) if self.settings.token else ""


def signed_in(settings: SlackSettings) -> list[str]:
    """What is to be looked at before the bot can post. Raises TransientError, PermanentError.
    Source: Slack, `auth.test`.
    """
    _asked(_client(settings), "auth.test")
    return [] if settings.slack_channel else [f"set {CHANNEL}: without it nothing is posted"]


def _client(settings: SlackSettings) -> WebClient:
    return WebClient(
        token=settings.token,
        base_url=settings.slack_api_url,
        timeout=TIMEOUT,
        ssl=_trust(settings),
        proxy=settings.https_proxy or None,
        retry_handlers=[],
    )


def _trust(settings: SlackSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_bundle:
        context.load_verify_locations(settings.ca_bundle)
    return context


def _posted(client: WebClient, message: Message, channel: str) -> str:
    body = {"event_type": EVENT, "event_payload": {"run": message.run_id}}
    answer = _asked(
        client,
        "chat.postMessage",
        channel=channel,
        text=fallback(message),
        blocks=blocks(message),
        metadata=body,
        unfurl_links=False,
        unfurl_media=False,
    )
    handle = f"{answer.get('channel', channel)}/{answer.get('ts', '')}"
    _detailed(client, message, handle)
    return handle[:200]


def _detailed(client: WebClient, message: Message, handle: str) -> None:
    """Details go into the thread; that they did not arrive is no reason to post the message
    again.
    """
    channel, _, ts = handle.partition("/")
    if message.details and ts:
        try:
            _asked(
                client,
                "chat.postMessage",
                channel=channel,
                thread_ts=ts,
                text=thread(message),
                unfurl_links=False,
                unfurl_media=False,
            )
        except (TransientError, PermanentError):
            return


def _changed(client: WebClient, message: Message, handle: str) -> str:
    """Empty where the message is gone: then a new one is posted."""
    channel, _, ts = handle.partition("/")
    try:
        _asked(
            client,
            "chat.update",
            channel=channel,
            ts=ts,
            text=fallback(message),
            blocks=blocks(message),
        )
    except Gone:
        return ""
    return handle


def _posted_before(client: WebClient, message: Message, channel: str, *, but: str) -> str | None:
    """Our message about this run among the newest of the channel: a time-out does not say that
    nothing was posted.

    Empty where there is none besides `but`, None where nobody may look.
    """
    try:
        answer = _asked(
            client,
            "conversations.history",
            channel=channel,
            limit=RECENT,
            include_all_metadata=True,
        )
    except PermanentError:
        return None
    for found in answer.get("messages") or ():
        place = f"{channel}/{found.get('ts', '')}" if isinstance(found, dict) else ""
        if place and place != but and _is_of(found.get("metadata"), message.run_id):
            return place
    return ""


def _is_of(metadata: Any, run_id: str) -> bool:
    payload = (
        metadata.get("event_payload")
        if isinstance(metadata, dict) and metadata.get("event_type") == EVENT
        else None
    )
    return isinstance(payload, dict) and payload.get("run") == run_id


class Unsure(TransientError):
    """No answer came: what was asked may have been done."""


class Gone(PermanentError):
    """The message cannot be changed any more."""


def _asked(client: WebClient, method: str, **body: Any) -> dict[str, Any]:
    """The answer's fields. Raises TransientError, PermanentError, Gone; a token is in no
    message.
    """
    try:
        answer = client.api_call(method, json=body)
    except SlackApiError as error:
        raise _error_from_slack(method, error) from None
    except (
        SlackClientError,
        SlackRequestError,
        URLError,
        OSError,
        HTTPException,
        ValueError,
    ) as error:
        raise Unsure(f"Slack did not answer {method} ({type(error).__name__})") from None
    return answer.data if isinstance(answer.data, dict) else {}


def _error_from_slack(method: str, error: SlackApiError) -> Exception:
    response = error.response
    data = getattr(response, "data", None)
    status = getattr(response, "status_code", 0)
    said = str(data.get("error", "")) if isinstance(data, dict) else ""
    if said.startswith("Received a response in a non-JSON format"):
        return Unsure(f"Slack answered {method} with something that is no JSON")
    if said in PARTLY or status >= 500:
        return Unsure(f"Slack did not finish {method}: {said or status}")
    if status == 429 or said in PASSING:
        return TransientError(
            f"Slack has no time for {method}: {said or status}",
            retry_after=_wait(getattr(response, "headers", {})),
        )
    if method == "chat.update" and said in GONE:
        return Gone(said)
    return PermanentError(
        f"Slack refused {method}: {said[:60] or status}"
        + (f"; {ADVICE[said]}" if said in ADVICE else "")
    )


def _wait(headers: Any) -> float | None:
    """Seconds that Slack names; None where it names none."""
    for key, value in dict(headers or {}).items():
        if str(key).lower() == "retry-after":
            text = value[0] if isinstance(value, list) and value else value
            return (
                min(float(text), 3_600.0) if str(text).isascii() and str(text).isdecimal() else None
            )
    return None


def _by_webhook(message: Message, settings: SlackSettings) -> str:
    """Nothing can be changed later. After a time-out nobody can tell whether it arrived: it is not
    sent again.
    """
    client = WebhookClient(
        settings.webhook,
        timeout=TIMEOUT,
        ssl=_trust(settings),
        proxy=settings.https_proxy or None,
        retry_handlers=[],
    )
    shown = [block for block in blocks(message) if block["type"] != "actions"]
    try:
        answer = client.send(
            text=fallback(message),
            blocks=[*shown, *_page(message)],
            unfurl_links=False,
            unfurl_media=False,
        )
    except (URLError, OSError, HTTPException, ValueError) as error:
        refused = isinstance(getattr(error, "reason", error), ConnectionRefusedError)
        if refused:
            raise TransientError("Slack's webhook refused the connection") from None
        raise PermanentError(
            f"Slack's webhook did not answer ({type(error).__name__}): the message may have been"
            " posted"
        ) from None
    if answer.status_code >= 500:
        raise PermanentError(
            f"Slack's webhook answered {answer.status_code}: the message may have been posted"
        )
    if answer.status_code == 429:
        raise TransientError(
            f"Slack's webhook answered {answer.status_code}", retry_after=_wait(answer.headers)
        )
    if answer.status_code != 200:
        raise PermanentError(
            f"Slack's webhook answered {answer.status_code}: set {WEBHOOK} to one that is in use"
        )
    return ""


def _page(message: Message) -> list[dict[str, Any]]:
    """Buttons that act need a bot; the link to the page does not."""
    return [
        block
        for block in blocks(Message(run_id=message.run_id, title="", link=message.link))
        if block["type"] == "actions"
    ]
