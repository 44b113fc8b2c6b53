"""Slack over the real SDK and a Slack that keeps state: one message a run, and no text of others
that does anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cihealing.ports import Button, Message, PermanentError, TransientError
from cihealing.providers.slack.blocks import blocks, fallback, thread
from cihealing.providers.slack.chat import SlackChat
from cihealing.providers.slack.settings import SlackSettings
from tests.forges.slack import FakeSlack, Reply, refusing
from tests.groups import holding

MESSAGE = Message(
    run_id="r1",
    title="unit of acme/shop needs ann",
    fields=(("Branch", "main"),),
    text="assert 4 == 3",
    details="Attempt 1: red",
    link="https://heal.example/runs/r1",
    buttons=(Button(label="Approve", action="approve", value="r1|merge|7"),),
)


SQUARED = {"retry-after": "\u00b2".encode().decode("latin-1")}
"""What `isdigit` takes for a digit and `float` does not."""


@pytest.fixture
def hub() -> Iterator[FakeSlack]:
    with FakeSlack() as made:
        yield made


def test_a_run_has_one_message_that_changes_and_its_details_in_the_thread(hub: FakeSlack) -> None:
    handle = SlackChat(holding(SlackSettings, hub.settings)).tell(MESSAGE, handle="")
    again = SlackChat(holding(SlackSettings, hub.settings)).tell(
        Message(run_id="r1", title="healed"), handle=handle
    )
    assert again == handle
    (posted,) = hub.posted
    assert "healed" in posted["text"]
    assert [m["text"] for m in hub.messages if m.get("thread_ts")] == ["Attempt 1: red"]


def test_what_was_posted_before_a_time_out_is_found_again(hub: FakeSlack) -> None:
    hub.scripted["chat.postMessage"] = [Reply(silent=True, done=True)]
    with pytest.raises(TransientError):
        SlackChat(holding(SlackSettings, hub.settings)).tell(MESSAGE, handle="")
    SlackChat(holding(SlackSettings, hub.settings)).tell(MESSAGE, handle="")
    assert len(hub.posted) == 1


def test_where_nobody_may_look_nothing_is_posted_twice(hub: FakeSlack) -> None:
    hub.scripted["conversations.history"] = [refusing("missing_scope")] * 3
    hub.scripted["chat.postMessage"] = [Reply(silent=True, done=True)]
    with pytest.raises(PermanentError, match="may have been posted"):
        SlackChat(holding(SlackSettings, hub.settings)).tell(MESSAGE, handle="")
    assert hub.made("chat.postMessage") == 1


def test_a_deleted_message_is_posted_anew(hub: FakeSlack) -> None:
    handle = SlackChat(holding(SlackSettings, hub.settings)).tell(MESSAGE, handle="")
    hub.messages.clear()
    assert SlackChat(holding(SlackSettings, hub.settings)).tell(MESSAGE, handle=handle)
    assert len(hub.posted) == 1


@pytest.mark.parametrize(
    "reply",
    [refusing("fatal_error"), refusing("internal_error"), Reply(status=500, body='{"ok": false}')],
)
def test_what_may_have_been_posted_is_not_posted_again_where_nobody_may_look(
    hub: FakeSlack, reply: Reply
) -> None:
    hub.scripted["conversations.history"] = [refusing("missing_scope")]
    hub.scripted["chat.postMessage"] = [reply]
    with pytest.raises(PermanentError, match="may have been posted"):
        SlackChat(holding(SlackSettings, hub.settings)).tell(MESSAGE, handle="")


def test_after_a_deletion_a_lost_answer_makes_no_second_message(hub: FakeSlack) -> None:
    handle = SlackChat(holding(SlackSettings, hub.settings)).tell(MESSAGE, handle="")
    hub.messages.clear()
    hub.messages.append({"ts": "1.1", "text": "of somebody"})
    hub.scripted["chat.postMessage"] = [Reply(silent=True, done=True)]
    with pytest.raises(TransientError):
        SlackChat(holding(SlackSettings, hub.settings)).tell(MESSAGE, handle=handle)
    SlackChat(holding(SlackSettings, hub.settings)).tell(MESSAGE, handle=handle)
    assert len(hub.posted) == 2


@pytest.mark.parametrize(
    ("reply", "end", "says"),
    [
        (refusing("invalid_auth"), PermanentError, "CI_HEALING_SLACK_BOT_TOKEN"),
        (refusing("token_revoked"), PermanentError, "CI_HEALING_SLACK_BOT_TOKEN"),
        (refusing("channel_not_found"), PermanentError, "CI_HEALING_SLACK_CHANNEL"),
        (refusing("not_in_channel"), PermanentError, "invite"),
        (refusing("is_archived"), PermanentError, "archived"),
        (refusing("invalid_blocks"), PermanentError, "invalid_blocks"),
        (refusing("ratelimited"), TransientError, "no time"),
        (
            Reply(
                status=429,
                body='{"ok": false, "error": "ratelimited"}',
                headers={"retry-after": "17"},
            ),
            TransientError,
            "no time",
        ),
        (Reply(status=500, body='{"ok": false}'), TransientError, "did not finish"),
        (refusing("fatal_error"), TransientError, "did not finish"),
        (
            Reply(status=429, body='{"ok": false, "error": "ratelimited"}', headers=SQUARED),
            TransientError,
            "no time",
        ),
        (
            Reply(status=503, body="<html>busy</html>", headers={"content-type": "text/html"}),
            TransientError,
            "Slack",
        ),
        (
            Reply(status=200, body="<html>hello</html>", headers={"content-type": "text/html"}),
            TransientError,
            "Slack",
        ),
        (Reply(status=200, body='{"ok": tru'), TransientError, "Slack"),
        (Reply(status=200, body="[]"), (TransientError, PermanentError), "Slack"),
        (Reply(silent=True), TransientError, "did not answer"),
    ],
)
def test_each_answer_has_its_right_end(hub: FakeSlack, reply: Reply, end: Any, says: str) -> None:
    hub.scripted["chat.postMessage"] = [reply]
    with pytest.raises(end, match=says) as caught:
        SlackChat(holding(SlackSettings, hub.settings)).tell(MESSAGE, handle="")
    assert "xoxb" not in str(caught.value)
    if reply.headers.get("retry-after") == "17":
        assert caught.value.retry_after == 17.0  # type: ignore[attr-defined]


def test_an_incoming_webhook_posts_and_can_change_nothing(hub: FakeSlack) -> None:
    settings = {"CI_HEALING_SLACK_WEBHOOK_URL": f"{hub.url}/services/T1/B1/secret"}
    assert SlackChat(holding(SlackSettings, settings)).configured()
    assert SlackChat(holding(SlackSettings, settings)).tell(MESSAGE, handle="") == ""
    (body,) = hub.messages
    assert "Approve" not in json.dumps(body), "a webhook's buttons would reach nobody"
    assert "Open the run" in json.dumps(body)


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (Reply(status=404, body="no_service"), PermanentError),
        (Reply(status=403, body="invalid_token"), PermanentError),
        (Reply(status=429, body="", headers={"retry-after": "3"}), TransientError),
        (Reply(status=500, body=""), PermanentError),
        (Reply(silent=True, done=True), PermanentError),
    ],
)
def test_a_webhook_that_may_have_posted_is_not_called_again(
    hub: FakeSlack, reply: Reply, end: Any
) -> None:
    settings = {"CI_HEALING_SLACK_WEBHOOK_URL": f"{hub.url}/services/T1/B1/secret"}
    hub.scripted["webhook"] = [reply]
    with pytest.raises(end) as caught:
        SlackChat(holding(SlackSettings, settings)).tell(MESSAGE, handle="")
    assert "secret" not in str(caught.value)


def test_without_settings_it_is_not_set_up() -> None:
    assert not SlackChat(holding(SlackSettings)).configured()
    assert not SlackChat(holding(SlackSettings, {"CI_HEALING_SLACK_BOT_TOKEN": "x"})).configured()


HOSTILE = st.text(
    alphabet=st.sampled_from(list("<>!@#&*_~`|:/.,-[]() \n\t\x1b\u202e\u200babcdefghijklmnop"))
    | st.characters(),
    max_size=300,
) | st.sampled_from(
    [
        "<!channel>",
        "<!here|x>",
        "<@U123>",
        "<#C1>",
        "@here",
        "@channel",
        "https://evil.example",
        "www.evil.example",
        ":bomb:",
        "*x*",
    ]
)


def texts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("type") in ("plain_text", "mrkdwn"):
            yield value
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


@given(title=HOSTILE, text=HOSTILE, field=HOSTILE, details=HOSTILE)
def test_text_of_others_can_neither_mention_nor_link_nor_format(
    title: str, text: str, field: str, details: str
) -> None:
    message = Message(
        run_id="r",
        title=title,
        text=text,
        fields=((field, field),),
        details=details,
        link="javascript:x",
    )
    shown = blocks(message)
    found = list(texts(shown))
    assert found
    assert {t["type"] for t in found} == {"plain_text"}
    assert not any(re.search(r"@\w|://|www\.", t["text"], re.IGNORECASE) for t in found)
    for loose in (fallback(message), thread(message)):
        assert not re.search(r"[<>]|@\w|://", loose)
    assert "javascript" not in json.dumps([block for block in shown if block["type"] == "actions"])


def test_everything_fits_slacks_limits() -> None:
    long = Message(
        run_id="r",
        title="t" * 5000,
        text="x" * 50_000,
        fields=tuple((f"f{i}", "v" * 9_000) for i in range(40)),
        details="d" * 99_000,
        buttons=tuple(
            Button(label="b" * 300, action="approve", value="v" * 9_000) for _ in range(9)
        ),
        link="https://x.example/" + "p" * 9_000,
    )
    shown = blocks(long)
    assert len(shown[0]["text"]["text"]) <= 150
    assert len(shown[1]["fields"]) <= 10
    assert all(len(t["text"]) <= 2_000 for t in shown[1]["fields"])
    assert len(shown[2]["text"]["text"]) <= 3_000
    assert all(
        len(e["text"]["text"]) <= 75 and len(e.get("value", "")) <= 2_000
        for e in shown[3]["elements"]
    )
    assert len(thread(long)) <= 40_000
