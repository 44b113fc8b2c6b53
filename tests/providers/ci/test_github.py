"""GitHub's events, after 'Webhook events and payloads'."""

from __future__ import annotations

from typing import Any

import pytest

from cihealing.domain.values import ExecutionRef, Failed, Ignored, Passed, Result
from cihealing.ports import BadPayload
from cihealing.providers.github import hook as github
from tests.providers.ci.payloads import (
    SHA,
    check_run,
    check_suite,
    raw,
    status,
    workflow_job,
    workflow_run,
)
from tests.tables import table

MAKERS = {
    "workflow_job": workflow_job,
    "check_run": check_run,
    "workflow_run": workflow_run,
    "check_suite": check_suite,
    "status": status,
}


def parse(event: str, payload: dict[str, Any]) -> Result:
    (result,) = github.parse(raw(payload, headers={"x-github-event": event}), payload)
    return result


def test_a_failed_job() -> None:
    assert parse("workflow_job", workflow_job()) == Failed(
        execution=ExecutionRef(provider="github", host="github.com", job_run_id="4001"),
        repository="acme/shop",
        branch="fix-cart",
        commit=SHA,
        job="unit (3.11)",
        pipeline_url="https://github.com/acme/shop/actions/runs/77/job/4001",
        parent_id="77",
        parent_attempt=2,
        partial=True,
        definition="CI",
        finished_at=parse("workflow_job", workflow_job()).finished_at,  # type: ignore[union-attr]
        step="Run pytest",
    )


def test_one_red_job_told_four_times_is_one() -> None:
    job, check = parse("workflow_job", workflow_job()), parse("check_run", check_run())
    run, suite = parse("workflow_run", workflow_run()), parse("check_suite", check_suite())
    assert isinstance(job, Failed)
    assert isinstance(check, Failed)
    assert isinstance(run, Failed)
    assert job.execution == check.execution
    assert job.parent_id == check.parent_id == run.parent_id == "77"
    assert (job.job, job.commit, job.branch) == (check.job, check.commit, check.branch)
    assert (run.coarse, job.coarse, check.coarse) == (True, False, False)
    assert run.execution not in (job.execution, check.execution)
    assert suite == Ignored(reason="a check suite is only noted: its jobs report themselves")


def test_an_actions_check_without_a_job_in_its_link_is_still_its_job() -> None:
    check = parse("check_run", check_run(details_url="https://github.com/acme/shop/runs/4001"))
    assert isinstance(check, Failed)
    assert check.execution == parse("workflow_job", workflow_job()).execution  # type: ignore[union-attr]


def test_the_check_of_another_app_is_its_own_execution_and_carries_its_report() -> None:
    check = parse("check_run", check_run(app={"slug": "linter"}))
    assert isinstance(check, Failed)
    assert check.execution.job_run_id == "check-4001"
    assert check.log == "1 error\ncart.py: total is wrong"
    assert parse("check_run", check_run()).log is None  # type: ignore[union-attr]


@table("event", ["workflow_job", "check_run", "workflow_run"])
@table(
    ("conclusion", "kind"),
    [
        ("success", Passed),
        ("failure", Failed),
        ("timed_out", Failed),
        ("startup_failure", Failed),
        ("cancelled", Ignored),
        ("skipped", Ignored),
        ("neutral", Ignored),
        ("stale", Ignored),
        ("action_required", Ignored),
        (None, Ignored),
    ],
)
def test_conclusions(event: str, conclusion: str | None, kind: type) -> None:
    assert type(parse(event, MAKERS[event](conclusion=conclusion))) is kind


@table("event", ["workflow_job", "check_run", "workflow_run"])
@table("action", ["queued", "in_progress", "created", "requested", "rerequested", None])
def test_what_is_not_completed_is_ignored(event: str, action: str | None) -> None:
    assert isinstance(parse(event, MAKERS[event]() | {"action": action}), Ignored)


@pytest.mark.parametrize(
    ("state", "kind"),
    [("failure", Failed), ("error", Failed), ("success", Passed), ("pending", Ignored)],
)
def test_statuses(state: str, kind: type) -> None:
    result = parse("status", status(state=state))
    assert type(result) is kind
    if not isinstance(result, Ignored):
        assert (result.job, result.branch, result.execution.job_run_id) == (
            "ci/jenkins",
            "fix-cart",
            "status-9",
        )


def test_the_status_of_a_commit_on_no_branch() -> None:
    assert parse("status", status(branches=[])).branch == ""  # type: ignore[union-attr]


def test_pull_requests_name_their_base_and_forks_are_seen() -> None:
    run = parse("workflow_run", workflow_run())
    fork = parse(
        "workflow_run",
        workflow_run(head_repository={"full_name": "mallory/shop"}, pull_requests=[]),
    )
    gone = parse("workflow_run", workflow_run(head_repository=None))
    check = parse("check_run", check_run(check_suite={"head_branch": None}, pull_requests=[]))
    assert (run.base_branch, run.fork) == ("main", False)  # type: ignore[union-attr]
    assert (fork.base_branch, fork.fork) == ("", True)  # type: ignore[union-attr]
    assert gone.fork is True  # type: ignore[union-attr]
    assert (check.branch, check.fork) == ("", True)  # type: ignore[union-attr]


def test_a_workflow_run_keeps_its_attempt() -> None:
    assert parse("workflow_run", workflow_run()).execution.attempt == 2  # type: ignore[union-attr]
    assert parse("workflow_run", workflow_run(run_attempt=None)).execution.attempt == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("attempt", [True, False, 0, -1, 10_000, 1.0, "x", [], {}])
def test_an_attempt_is_a_number(attempt: Any) -> None:
    with pytest.raises(BadPayload, match=r"^workflow_run\.run_attempt"):
        parse("workflow_run", workflow_run(run_attempt=attempt))


@pytest.mark.parametrize(
    "event", ["ping", "push", "pull_request", "installation", "deployment_status", "é\x00"]
)
def test_other_events_are_ignored(event: str) -> None:
    assert isinstance(parse(event, {"zen": "Keep it logically awesome."}), Ignored)


def test_a_request_without_event_is_no_request_of_github() -> None:
    with pytest.raises(BadPayload, match="X-GitHub-Event"):
        parse("", workflow_job())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"head_sha": "HEAD"}, r"workflow_job\.head_sha"),
        ({"head_branch": "--upload-pack=x"}, r"workflow_job\.head_branch"),
        ({"id": None}, r"workflow_job\.id"),
        ({"name": ""}, r"workflow_job\.name"),
        ({"steps": "none"}, r"workflow_job\.steps"),
        ({"steps": [3]}, r"workflow_job\.steps\[0\]"),
    ],
)
def test_a_complaint_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadPayload, match=field):
        parse("workflow_job", workflow_job(**changes))


def test_a_javascript_link_is_dropped() -> None:
    assert parse("status", status(target_url="javascript:alert(1)")).pipeline_url == ""  # type: ignore[union-attr]
