"""What people do to runs: who may, what it needs, and what a lost race looks like. The service is
the real one.
"""

from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from cihealing import service
from cihealing.domain import events as e
from cihealing.ports import PermanentError, TransientError
from cihealing.read import access, detail
from cihealing.read.rows import RunDetail
from tests import factories as make
from tests.dashboard.markup import elements, text

pytestmark = pytest.mark.django_db

PROVEN_AT = 12
"""Version of a run made by `make.proven()`."""


@pytest.fixture(autouse=True)
def head(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Where the target branch is, as the repository would say."""
    at = SimpleNamespace(commit=make.COMMIT, error=None)

    def found(*_: object, **__: object) -> str:
        if at.error:
            raise at.error
        return str(at.commit)

    tools = SimpleNamespace(trees=SimpleNamespace(head=found), forges={}, url="")
    monkeypatch.setattr("cihealing.registry.tools", lambda: tools)
    return at


@pytest.fixture
def proven(db: None) -> UUID:
    run_id = make.make_run(make.proven())
    assert state(run_id).version == PROVEN_AT
    return run_id


def state(run_id: UUID) -> RunDetail:
    found = detail.run(access.SERVICE_VIEWER, run_id)
    assert found is not None
    return found


def post(client: Client, run_id: UUID, action: str, **fields: object) -> tuple[int, str]:
    response = client.post(f"/runs/{run_id}/{action}", fields)
    return response.status_code, response.content.decode()


def approval(**changed: object) -> dict[str, object]:
    return {"version": PROVEN_AT, "act": "merge", "confirmed": "yes", **changed}


def buttons(html: str) -> list[str]:
    return [b.text for b in elements(html, "button") if b.text not in ("Sign out",)]


@pytest.mark.parametrize("action", ["approve", "deny", "abort", "retry", "human-fix"])
def test_only_operators_act(reader: Client, proven: UUID, action: str) -> None:
    assert buttons(reader.get(f"/runs/{proven}").content.decode()) == []
    code, html = post(reader, proven, action, **approval())
    assert (code, text(html, "h1")) == (403, "Not allowed")
    assert state(proven).version == PROVEN_AT


def test_superusers_act_without_the_group(client: Client, proven: UUID) -> None:
    client.force_login(
        User.objects.create_superuser("root"), backend="django.contrib.auth.backends.ModelBackend"
    )
    assert post(client, proven, "abort")[0] == 302
    assert state(proven).status == "aborted"


def test_strangers_are_sent_to_sign_in(client: Client, proven: UUID) -> None:
    assert post(client, proven, "abort")[0] == 302
    assert state(proven).status == "fixed"


def test_another_site_cannot_act_for_an_operator(operator: Client, proven: UUID) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = operator.cookies
    code, html = post(careful, proven, "approve", **approval())
    assert (code, text(html, "h1")) == (403, "Send it again")
    assert state(proven).approved_by == ""


def test_looking_never_acts(operator: Client, proven: UUID) -> None:
    assert operator.get(f"/runs/{proven}/abort").status_code == 405
    assert state(proven).version == PROVEN_AT


def test_there_are_no_other_actions_and_no_actions_on_nothing(
    operator: Client, proven: UUID
) -> None:
    assert post(operator, proven, "explode")[0] == 404
    assert post(operator, uuid4(), "abort")[0] == 404


OFFERED = [
    ([], ["Abort"]),
    ("proven", ["Approve and merge", "Deny", "Abort"]),
    ("escalated", ["I fixed it", "Retry", "Abort"]),
    ([e.RunResolved(how="human_fix")], ["Retry"]),
]


@pytest.mark.parametrize(("facts", "offered"), OFFERED)
def test_only_what_can_be_done_now_is_offered(
    operator: Client, facts: list[e.RunEvent] | str, offered: list[str]
) -> None:
    run_id = make.make_run(facts if isinstance(facts, list) else getattr(make, facts)())
    assert buttons(operator.get(f"/runs/{run_id}").content.decode()) == offered


def test_every_field_has_a_label_and_approving_needs_a_tick(operator: Client, proven: UUID) -> None:
    html = operator.get(f"/runs/{proven}").content.decode()
    labels = {x.attributes["for"] for x in elements(html, "label")}
    fields = [
        x
        for x in elements(html)
        if x.name in ("input", "textarea", "select") and x.attributes.get("type") != "hidden"
    ]
    assert {x.attributes["id"] for x in fields} <= labels
    assert [x.attributes["name"] for x in fields if "required" in x.attributes] == ["confirmed"]


def test_approving_names_the_person_the_act_and_the_version_seen(
    operator: Client, proven: UUID
) -> None:
    assert post(operator, proven, "approve", **approval(note="looks right"))[0] == 302
    now = state(proven)
    assert (now.approved_by, now.state.review.approved_act) == ("olga", "merge")
    html = operator.get(f"/runs/{proven}").content.decode()
    assert "Approved" in text(html, "p", role="status")
    assert "looks right" in text(html, "ol", cls="timeline")
    assert buttons(html) == ["Abort"]


@pytest.mark.parametrize("field", ["confirmed", "version", "act"])
def test_nothing_is_approved_by_a_slip(operator: Client, proven: UUID, field: str) -> None:
    fields = approval()
    del fields[field]
    code, html = post(operator, proven, "approve", **fields)
    assert code == 400
    assert "Nothing was done" in text(html, "p", role="alert")
    assert state(proven).version == PROVEN_AT


@pytest.mark.parametrize("version", [PROVEN_AT - 1, PROVEN_AT + 1, 2**31 - 1])
def test_what_was_not_seen_is_not_approved(operator: Client, proven: UUID, version: int) -> None:
    code, html = post(operator, proven, "approve", **approval(version=version))
    assert code == 409
    assert f"the run is at version {PROVEN_AT} now" in text(html, "p", role="alert").lower()
    assert elements(html, "input", name="version")[0].attributes["value"] == str(PROVEN_AT)
    assert state(proven).approved_by == ""


@pytest.mark.parametrize("version", ["", "x", "-1", "1e3", "9" * 40])
def test_a_version_that_is_none_is_refused(operator: Client, proven: UUID, version: str) -> None:
    assert post(operator, proven, "approve", **approval(version=version))[0] == 400
    assert state(proven).version == PROVEN_AT


def test_a_branch_that_moved_is_told_and_proven_afresh(
    operator: Client, proven: UUID, head: SimpleNamespace
) -> None:
    head.commit = "b" * 40
    code, html = post(operator, proven, "approve", **approval())
    assert code == 409
    assert "proven afresh on the new head" in text(html, "p", role="alert")
    assert state(proven).status == "running"
    assert "running" in text(html, "div", id="run")


def test_the_second_of_two_people_is_told_that_the_first_was_faster(
    operator: Client, proven: UUID
) -> None:
    post(operator, proven, "deny", version=PROVEN_AT, note="not like this")
    code, html = post(operator, proven, "approve", **approval())
    assert code == 409
    assert "Below is how it stands now" in text(html, "p", role="alert")
    assert state(proven).status == "escalated"


@pytest.mark.parametrize(
    "error",
    [
        TransientError("the repository does not answer"),
        PermanentError("no clone URL: set one in the policy"),
    ],
)
def test_a_repository_that_cannot_be_asked_is_told(
    operator: Client, proven: UUID, head: SimpleNamespace, error: Exception
) -> None:
    head.error = error
    code, html = post(operator, proven, "approve", **approval())
    assert code == 503
    assert str(error) in text(html, "p", role="alert")


def test_what_cannot_be_taken_back_is_told(
    operator: Client, proven: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise service.Irrevocable("publish")

    monkeypatch.setattr(service, "perform", refuse)
    code, html = post(operator, proven, "abort", version=PROVEN_AT)
    assert code == 409
    assert "Nothing was done" in text(html, "p", role="alert")


@pytest.mark.parametrize(
    ("facts", "action", "status", "resolution"),
    [
        ("proven", "deny", "escalated", ""),
        ("proven", "abort", "aborted", ""),
        ("classified", "abort", "aborted", ""),
        ("escalated", "human-fix", "resolved", "human_fix"),
        ("escalated", "retry", "queued", ""),
    ],
)
def test_each_action_does_what_it_says_and_keeps_the_note(
    operator: Client, facts: str, action: str, status: str, resolution: str
) -> None:
    run_id = make.make_run(getattr(make, facts)())
    assert post(operator, run_id, action, note="because <b>I</b> say so")[0] == 302
    now = state(run_id)
    assert (now.status, now.resolution) == (status, resolution)
    assert {(x.actor, x.actor_kind) for x in now.timeline if "because" in x.text} == {
        ("olga", "person")
    }
    assert "because <b>I</b> say so" in text(
        operator.get(f"/runs/{run_id}").content.decode(), "ol", cls="timeline"
    )


def test_what_is_at_work_can_be_aborted_whatever_its_version_is_by_now(operator: Client) -> None:
    run_id = make.make_run(make.classified())
    html = operator.get(f"/runs/{run_id}").content.decode()
    assert not elements(html, "input", name="version")
    make.go_on(run_id, [e.StepSkipped(step="x", reason="y")])
    assert post(operator, run_id, "abort")[0] == 302


def test_a_note_of_any_length_is_refused_with_words(operator: Client, proven: UUID) -> None:
    code, html = post(operator, proven, "deny", note="n" * 1001)
    assert code == 400
    assert "at most 1000 characters" in text(html, "p", role="alert")
