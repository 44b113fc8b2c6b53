"""The write half: what people ask for reaches the service as they asked it, and refusals reach them
as problems.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client

from cihealing import service
from cihealing.domain.run import Refused, Stale
from cihealing.domain.values import Actor
from cihealing.ports import HeadMovedError, PermanentError, TransientError
from cihealing.read import detail
from cihealing.read.access import OPERATORS, Viewer
from cihealing.store import StreamMoved
from tests import factories as make
from tests.web.api.test_runs import HOME, problem

pytestmark = pytest.mark.django_db

ALL = Viewer(name="ann")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the service was asked; it does nothing."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(
        service,
        "perform",
        lambda run_id, action, **more: calls.append({"run_id": run_id, "action": action, **more}),
    )
    return calls


def act(client: Client, run_id: UUID | str, action: str, body: Any = None, **extra: Any) -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body or {})
    return client.post(
        f"{HOME}/runs/{run_id}/actions/{action}", text, content_type="application/json", **extra
    )


@pytest.mark.parametrize("action", ["approve", "deny", "abort", "human-fix", "retry"])
def test_an_action_reaches_the_service_as_it_was_asked(
    api: Client, asked: list[dict[str, Any]], action: str
) -> None:
    run_id = make.make_run(make.proven())
    answer = act(api, run_id, action, {"act": "merge", "version": 12, "note": "go"})
    assert (answer.status_code, answer.json()["id"]) == (200, str(run_id))
    (call,) = asked
    call.pop("tools")
    assert call == {
        "run_id": run_id,
        "action": action,
        "act": "merge",
        "version": 12,
        "note": "go",
        "commit": "",
        "by": Actor(kind="person", name="api"),
    }


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "application/x-www-form-urlencoded"]
)
def test_an_empty_body_is_an_empty_object(
    api: Client, asked: list[dict[str, Any]], content_type: str
) -> None:
    run_id = make.make_run()
    assert (
        api.generic(
            "POST", f"{HOME}/runs/{run_id}/actions/abort", b"", content_type=content_type
        ).status_code
        == 200
    )
    assert (asked[0]["act"], asked[0]["version"], asked[0]["note"]) == ("", None, "")


def test_a_person_acts_by_name_and_only_with_a_csrf_token(
    ann: Client, asked: list[dict[str, Any]]
) -> None:
    run_id = make.make_run()
    problem(act(ann, run_id, "abort"), 403, "forbidden")
    assert asked == []
    ann.cookies["cihealing_csrf"] = token = "a" * 32
    problem(act(ann, run_id, "abort", HTTP_X_CSRFTOKEN=token), 403, "forbidden")
    assert asked == []  # signed in, but no operator
    Group.objects.create(name=OPERATORS).user_set.add(get_user_model().objects.get())
    assert act(ann, run_id, "abort", HTTP_X_CSRFTOKEN=token).status_code == 200
    assert asked[0]["by"] == Actor(kind="person", name="ann")


def test_nobody_acts_without_credentials(anyone: Client, asked: list[dict[str, Any]]) -> None:
    problem(act(anyone, make.make_run(), "abort"), 401, "not-authenticated")
    assert asked == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"note": "x" * 2001}, "invalid"),
        ({"note": "a\0b"}, "invalid"),
        ({"note": "\ud800"}, "invalid"),
        ({"note": 5}, "invalid"),
        ({"note": ["x"]}, "invalid"),
        ({"note": None}, "invalid"),
        ({"act": "explode"}, "invalid"),
        ({"act": 1}, "invalid"),
        ({"act": {}}, "invalid"),
        ({"version": "12"}, "invalid"),
        ({"version": 1.5}, "invalid"),
        ({"version": True}, "invalid"),
        ({"version": -1}, "invalid"),
        ({"version": 2**70}, "invalid"),
        ({"version": []}, "invalid"),
        ("[]", "invalid"),
        ('"x"', "invalid"),
        ("null", "invalid"),
        ("{", "malformed-body"),
        ('{"version": NaN}', "malformed-body"),
        ('{"version": ' + "9" * 5000 + "}", "malformed-body"),
        ("[" * 30_000, "malformed-body"),
        (b"\xff\xfe", "malformed-body"),
    ],
)
def test_a_wrong_body_is_400_and_asks_for_nothing(
    api: Client, asked: list[dict[str, Any]], body: Any, kind: str
) -> None:
    problem(act(api, make.make_run(), "approve", body), 400, kind)
    assert asked == []


def test_a_body_of_any_size_is_not_read(api: Client, asked: list[dict[str, Any]]) -> None:
    problem(
        act(api, make.make_run(), "approve", json.dumps({"note": "x" * 70_000})),
        413,
        "body-too-large",
    )
    assert asked == []


def test_another_content_type_is_415(api: Client, asked: list[dict[str, Any]]) -> None:
    run_id = make.make_run()
    answer = api.post(f"{HOME}/runs/{run_id}/actions/abort", {"note": "x"})
    problem(answer, 415, "unsupported-media-type")
    assert asked == []


@pytest.mark.parametrize("run_id", ["x", str(UUID(int=404))])
def test_an_unknown_run_is_404(api: Client, asked: list[dict[str, Any]], run_id: str) -> None:
    problem(act(api, run_id, "abort"), 404, "not-found")
    assert asked == []


def test_a_run_out_of_sight_is_404(
    api: Client, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = make.make_run(repository="secret/vault")
    monkeypatch.setattr(
        "cihealing.web.api.views.viewer_of",
        lambda request: Viewer(name="bob", repositories=("acme/*",)),
    )
    problem(act(api, run_id, "abort"), 404, "not-found")
    assert asked == []


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Stale(7), 409, "stale-version"),
        (Refused("not now"), 409, "refused"),
        (service.Irrevocable("publish is on its way"), 409, "irrevocable"),
        (HeadMovedError("aaa", "bbb"), 409, "head-moved"),
        (StreamMoved("again"), 409, "lost-race"),
        (PermanentError("no clone URL"), 409, "cannot"),
        (TransientError("fetch failed"), 503, "try-again"),
        (service.NoSuchRun("x"), 404, "not-found"),
    ],
)
def test_a_refusal_is_told(
    api: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, kind: str
) -> None:
    def refuse(*args: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr(service, "perform", refuse)
    body = problem(
        act(api, make.make_run(), "approve", {"act": "merge", "version": 1}), status, kind
    )
    if kind == "stale-version":
        assert body["version"] == 7
    if kind == "head-moved":
        assert (body["expected"], body["found"]) == ("aaa", "bbb")


def test_abort_ends_a_run_and_a_second_one_is_409(api: Client) -> None:
    run_id = make.make_run([])
    body = act(api, run_id, "abort", {"version": 1, "note": "not worth it"}).json()
    assert (body["status"], body["abortReason"], body["events"][-1]["actor"]) == (
        "aborted",
        "person",
        "api",
    )
    problem(act(api, run_id, "abort"), 409, "refused")


def test_deny_names_the_version_it_saw(api: Client) -> None:
    run_id = make.make_run(make.proven())
    assert problem(act(api, run_id, "deny", {"version": 3}), 409, "stale-version")["version"] == 12
    assert act(api, run_id, "deny", {"version": 12, "note": "no"}).json()["status"] == "escalated"


@pytest.mark.parametrize(
    "body", [{}, {"act": "merge"}, {"act": "merge", "version": 11}, {"version": 12}]
)
def test_approve_does_nothing_without_act_and_matching_version(
    api: Client, body: dict[str, Any]
) -> None:
    run_id = make.make_run(make.proven())
    assert act(api, run_id, "approve", body).status_code == 409
    shown = detail.run(ALL, run_id)
    assert shown is not None
    assert (shown.version, shown.approved_by) == (12, "")


def test_a_person_records_their_own_fix(api: Client) -> None:
    body = act(api, make.make_run(make.escalated()), "human-fix", {"note": "see 1234"}).json()
    assert (body["status"], body["resolution"]) == ("resolved", "human_fix")
