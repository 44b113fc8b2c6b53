"""Buttons pressed in Slack: signed, linked to a user here, bound to the version that was shown."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.test import Client

from cihealing import registry, service
from cihealing.models import Run
from tests.fakes.service import Bench, failed, receive
from tests.groups import changed

pytestmark = pytest.mark.django_db
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOBODY = UUID(int=7)
HOOK = "https://hooks.slack.com/actions/T1/2/x"
PATH = "/api/v1/ci-healing/chat/slack"


@pytest.fixture
def bench(policy: Callable[..., None], settings: Any, monkeypatch: pytest.MonkeyPatch) -> Bench:
    policy(chat={"people": {"U1": "ann", "U2": "viewer", "U3": "nobody"}})
    settings.ENVIRONMENT = changed(
        settings.ENVIRONMENT, {"SLACK_SIGNING_SECRET": f"old-secret-of-before,{SECRET}"}
    )
    ann = User.objects.create_user("ann")
    ann.groups.add(Group.objects.get_or_create(name="operator")[0])
    User.objects.create_user("viewer")
    made = Bench()
    monkeypatch.setattr(registry, "tools", lambda: made.tools)
    return made


def press(
    action: str,
    value: str,
    *,
    user: str = "U1",
    secret: str = SECRET,
    at: float | None = None,
    **more: Any,
) -> Any:
    payload = {
        "type": "block_actions",
        "user": {"id": user},
        "actions": [{"action_id": f"cihealing.{action}", "value": value}],
        "response_url": HOOK,
        **more,
    }
    return send(urlencode({"payload": json.dumps(payload)}), secret=secret, at=at)


class Answers(list[str]):
    """What people were told, at the URL that Slack names for it."""


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    told = Answers()

    def post(url: str, *, json: Any, **_: Any) -> None:
        assert url == HOOK
        told.append(json["text"])

    monkeypatch.setattr("cihealing.web.chat_in.httpx.post", post)
    return told


def send(body: str, *, secret: str = SECRET, at: float | None = None) -> Any:
    stamp = str(int(at if at is not None else time.time()))
    mac = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={mac}"}
    return Client().post(
        PATH, data=body, content_type="application/x-www-form-urlencoded", headers=headers
    )


def proven(bench: Bench) -> Run:
    receive(failed(), key="1")
    bench.drain()
    run = Run.objects.get()
    assert run.status == "fixed"
    return run


def test_an_approval_of_a_linked_operator_is_theirs(bench: Bench, answers: Answers) -> None:
    run = proven(bench)
    answer = press("approve", f"{run.id}|merge|{run.version}")
    assert answer.status_code == 200
    assert "Done" in answers[0]
    assert answer.content == b""
    assert service.get(run.id).review.approved_by.name == "ann"  # type: ignore[union-attr]


def test_the_second_press_hears_that_it_is_done_already(bench: Bench, answers: Answers) -> None:
    run = proven(bench)
    press("approve", f"{run.id}|merge|{run.version}")
    press("deny", f"{run.id}||{run.version}")
    assert "That was not done" in answers[1]
    assert service.get(run.id).status == "fixed"


def test_a_button_of_an_older_version_does_nothing(bench: Bench, answers: Answers) -> None:
    run = proven(bench)
    press("approve", f"{run.id}|merge|{run.version - 1}")
    assert "look again" in answers[0]
    assert service.get(run.id).review.approved_by is None


@pytest.mark.parametrize(
    ("user", "says"),
    [("U9", "not linked"), ("U2", "no operator"), ("U3", "not linked"), ("", "not linked")],
)
def test_who_is_not_linked_or_may_not_act_is_refused(
    bench: Bench, answers: Answers, user: str, says: str
) -> None:
    run = proven(bench)
    press("approve", f"{run.id}|merge|{run.version}", user=user)
    assert says in answers[0]
    assert service.get(run.id).review.approved_by is None


@pytest.mark.parametrize("fields", [{"secret": "another"}, {"at": 0.0}, {"at": 4_000_000_000.0}])
def test_what_is_not_signed_by_slack_now_is_refused(bench: Bench, fields: dict[str, Any]) -> None:
    run = proven(bench)
    assert press("approve", f"{run.id}|merge|{run.version}", **fields).status_code == 401
    assert service.get(run.id).review.approved_by is None


def test_without_a_secret_nobody_comes_in(bench: Bench, settings: Any) -> None:
    settings.ENVIRONMENT = changed(settings.ENVIRONMENT, {"SLACK_SIGNING_SECRET": ""})
    assert press("approve", f"{NOBODY}|merge|1").status_code == 401
    assert send("payload=%7B%7D", secret="").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        "",
        "payload=",
        "payload=%7B",
        "payload=%5B%5D",
        "payload=1",
        "a=1",
        urlencode({"payload": "[" * 20_000}),
        "payload=%FF%FE",
        "payload=" + "x" * 9000,
    ],
)
def test_what_cannot_be_read_crashes_nothing(bench: Bench, body: str) -> None:
    assert send(body).status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x|merge|1",
        f"{NOBODY}|delete|1",
        f"{NOBODY}|merge|-1",
        f"{NOBODY}|merge|1",
        "|||||",
        "a" * 5000,
    ],
)
def test_a_button_of_nothing_does_nothing(bench: Bench, answers: Answers, value: str) -> None:
    answer = press("approve", value)
    assert answer.status_code == 200
    assert "Done" not in answers[0]


def test_opening_the_page_is_no_act(bench: Bench, answers: Answers) -> None:
    assert press("open", "x").status_code == 200
    assert answers == []


@pytest.mark.parametrize(
    "place",
    [
        "http://hooks.slack.com/x",
        "https://hooks.slack.com.evil.example/x",
        "https://evil.example",
        "file:///etc",
        7,
        None,
    ],
)
def test_answers_go_to_slack_alone(bench: Bench, answers: Answers, place: Any) -> None:
    press("approve", "nothing", response_url=place)
    assert answers == []


@pytest.mark.parametrize("name", [[], {}, None, 7])
def test_an_action_of_another_type_is_none(bench: Bench, name: Any) -> None:
    payload = {
        "type": "block_actions",
        "user": {"id": "U1"},
        "actions": [{"action_id": name, "value": "x"}],
    }
    assert send(urlencode({"payload": json.dumps(payload)})).status_code == 200


def test_a_body_without_end_is_cut(bench: Bench) -> None:
    assert send("payload=" + "x" * 300_000).status_code == 413


EXAMPLE = (
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA"
    "&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J"
    "%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
"""Source: Slack docs, 'Verifying requests from Slack'; its secret is SECRET."""
AT, SIGNED = "1531420618", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


def example(*, body: str | bytes = EXAMPLE, **headers: str) -> int:
    given = {"X-Slack-Request-Timestamp": AT, "X-Slack-Signature": SIGNED} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    named = {name: value for name, value in given.items() if value}
    client = Client(raise_request_exception=False)
    return client.post(
        PATH, data=body, content_type="application/x-www-form-urlencoded", headers=named
    ).status_code


@pytest.fixture
def then() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(int(AT), tick=False) as at:
        yield at


def test_the_example_of_slacks_documentation_is_taken(
    bench: Bench, then: time_machine.Coordinates
) -> None:
    assert example() == 200
    assert example(body=EXAMPLE + " ") == 401
    assert example(X_Slack_Signature=SIGNED[:-1] + "4") == 401


@pytest.mark.parametrize(("seconds", "status"), [(299, 200), (-299, 200), (301, 401), (-301, 401)])
def test_a_replay_is_refused_after_five_minutes(
    bench: Bench, then: time_machine.Coordinates, seconds: int, status: int
) -> None:
    then.shift(seconds)
    assert example() == status


ODD = [
    "",
    " ",
    "é♥".encode().decode("latin-1"),
    "v0=",
    "v0=" + "é".encode().decode("latin-1") * 64,
    "v1=" + SIGNED[3:],
    "v0=" + "0" * 100_000,
]


@pytest.mark.parametrize("value", ODD)
def test_an_odd_signature_is_refused(
    bench: Bench, then: time_machine.Coordinates, value: str
) -> None:
    assert example(X_Slack_Signature=value) == 401


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "x",
        "-1",
        "1e9",
        "1_531_420_618",
        "1" * 5_000,
        "é".encode().decode("latin-1"),
        "nan",
        AT + "\t",
    ],
)
def test_an_odd_time_is_refused(bench: Bench, then: time_machine.Coordinates, value: str) -> None:
    assert example(X_Slack_Request_Timestamp=value) == 401


def test_a_body_that_is_no_text_is_refused(bench: Bench, then: time_machine.Coordinates) -> None:
    assert example(body=b"\xff\xfe") == 401


@pytest.mark.parametrize("broken", ["\\u0000", "\\ud800"])
def test_what_no_database_takes_is_told_and_crashes_nothing(
    bench: Bench, answers: Answers, broken: str
) -> None:
    body = json.dumps(
        {"type": "block_actions", "user": {"id": "U"}, "actions": [], "response_url": HOOK}
    ).replace('"U"', f'"U{broken}"')
    assert send(urlencode({"payload": body})).status_code == 200
