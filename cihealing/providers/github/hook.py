"""GitHub Actions, checks of other apps and commit statuses.

Source: GitHub docs, 'Webhook events and payloads', 'Validating webhook deliveries'.

One red job is told four times: `workflow_job` and `check_run` (the same id) give the same
ExecutionRef, `workflow_run` is a coarse result with the run as parent, `check_suite` is only noted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.ports import BadPayload, BadSignature, RawRequest
from cihealing.providers.github.results import (
    base_branch_of,
    change_of,
    host_of,
    job_result,
    name,
    result_of,
    run_result,
)
from cihealing.providers.shared import ours
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _signing.require_secret(secrets, provider=name)
    given = _signing.required_header(request.headers, "x-hub-signature-256")
    if not _signing.hex_signed(
        given, message=request.body, secrets=known, schemes={"sha256": "sha256"}
    ):
        raise BadSignature("X-Hub-Signature-256 is not of a secret known here")
    # Unsigned, but the same over redeliveries; who replays a body under another id meets the
    # sameness of the execution.
    return _signing.delivery_id(request.headers.get("x-github-delivery", ""), body=request.body)


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body, event = _wire.Fields(payload), request.headers.get("x-github-event", "")
    match event:
        case "workflow_job":
            return [_workflow_job(body)]
        case "check_run":
            return [_check_run(body)]
        case "workflow_run":
            return [_workflow_run(body)]
        case "check_suite":
            return [_check_suite(body)]
        case "status":
            return [_status(body)]
        case "":
            raise BadPayload("the header X-GitHub-Event is missing")
        case _:
            return [Ignored(reason=_no_result(event, body))]


def _no_result(event: str, body: _wire.Fields) -> str:
    match event:
        case "installation" | "installation_repositories":
            return (
                f"the App was changed at GitHub ({body.label('action')}): what it may reach is"
                " asked for anew"
            )
        case "pull_request" | "push":
            return (
                f"{event} events make us look at our own changes, and say nothing of a job's result"
            )
        case "ping":
            return "GitHub only asks whether somebody is here"
        case _:
            return f"{re.sub('[^a-z_]', '', event[:50])} events say nothing of a job's result"


def own_change(payload: Mapping[str, Any]) -> tuple[str, str] | None:
    """(repository, branch) of a change of the service's own that a `pull_request` tells of."""
    return _results.own_change(
        _results.at(payload, "repository", "full_name"),
        _results.at(payload, "pull_request", "head", "ref"),
    )


def _workflow_job(body: _wire.Fields) -> Result:
    if unfinished := _unfinished(body):
        return unfinished
    job, repository = body.child("workflow_job"), body.child("repository")
    return job_result(job, repository=repository.repository("full_name"), host=host_of(repository))


def _check_run(body: _wire.Fields) -> Result:
    if unfinished := _unfinished(body):
        return unfinished
    check, repository = body.child("check_run"), body.child("repository")
    suite = check.maybe("check_suite")
    run, job = _actions_ids(check)
    facts = JobFacts(
        execution=ExecutionRef(
            provider=name, host=host_of(repository), job_run_id=job or f"check-{check.ident('id')}"
        ),
        repository=repository.repository("full_name"),
        branch=suite.branch("head_branch"),
        commit=check.commit("head_sha"),
        job=check.title("name"),
        pipeline_url=check.link("details_url") or check.link("html_url"),
        base_branch=base_branch_of(check),
        # GitHub: "head_branch is null for a push to a fork", see 'Check runs' in the REST docs.
        fork=suite.null("head_branch"),
        partial=bool(job),
        definition="" if job else check.maybe("app").label("slug"),
        change=change_of(check),
        parent_id=run,
        finished_at=check.moment("completed_at"),
    )
    if not job and ours.informational(facts.job):
        return _noted(facts.job)
    return result_of(
        facts, conclusion=check.label("conclusion"), log=None if job else _report(check)
    )


def _noted(check: str) -> Ignored:
    return Ignored(reason=f"{check} is only noted: it ran nothing that could be healed")


def _actions_ids(check: _wire.Fields) -> tuple[str, str]:
    """Run id and job id of a check that is a job of GitHub Actions, whose check id is its job id;
    else two empty ones.
    """
    if check.maybe("app").label("slug") != "github-actions":
        return "", ""
    found = re.search(r"/actions/runs/([0-9]{1,20})/job/([0-9]{1,20})", check.link("details_url"))
    return (found[1], found[2]) if found else ("", check.ident("id"))


def _report(check: _wire.Fields) -> str | None:
    """What another app wrote about its check: the only log there is of it."""
    output = check.maybe("output")
    parts = [output.raw(part) for part in ("title", "summary", "text")]
    return "\n".join(part for part in parts if part) or None


def _workflow_run(body: _wire.Fields) -> Result:
    if unfinished := _unfinished(body):
        return unfinished
    repository = body.child("repository")
    return run_result(
        body.child("workflow_run"),
        repository=repository.repository("full_name"),
        host=host_of(repository),
    )


def _check_suite(body: _wire.Fields) -> Result:
    app = body.child("check_suite").maybe("app").label("slug")
    who = "its jobs" if app == "github-actions" else "its checks"
    return Ignored(reason=f"a check suite is only noted: {who} report themselves")


def _status(body: _wire.Fields) -> Result:
    """A commit status, as CIs without the Checks API set it: `context` is the nearest to a job's
    name.
    """
    repository = body.child("repository")
    facts = JobFacts(
        execution=ExecutionRef(
            provider=name, host=host_of(repository), job_run_id=f"status-{body.ident('id')}"
        ),
        repository=repository.repository("full_name"),
        branch=_status_branch(body),
        commit=body.commit("sha"),
        job=body.title("context"),
        pipeline_url=body.link("target_url"),
        finished_at=body.moment("updated_at"),
    )
    if ours.informational(facts.job):
        return _noted(facts.job)
    state = body.label("state")
    return result_of(facts, conclusion="failure" if state == "error" else state)


def _status_branch(body: _wire.Fields) -> str:
    """The branch whose head is the commit, else the first that holds it; "" where none does."""
    branches, sha = body.children("branches"), body.commit("sha")
    heads = [branch for branch in branches if branch.maybe("commit").label("sha").lower() == sha]
    return next((branch.branch("name") for branch in heads + branches), "")


def _unfinished(body: _wire.Fields) -> Ignored | None:
    action = body.label("action")
    return (
        None
        if action == "completed"
        else Ignored(reason=f"{action or 'no action'}: not completed yet")
    )
