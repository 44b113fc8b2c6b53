"""CircleCI outbound webhooks: job-completed, workflow-completed.

Source: CircleCI docs, 'Outbound webhooks' > 'Validate webhooks' and 'Outbound webhooks reference'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cihealing.adapters.ci import _wire
from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.ports import BadSignature, RawRequest

name = "circleci"

RED = ("failed", "error")


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _wire.require_secret(secrets, provider=name)
    given = _wire.required_header(request.headers, "circleci-signature")
    if not _wire.hex_signed(given, message=request.body, secrets=known, schemes={"v1": "sha256"}):
        raise BadSignature("circleci-signature is not of a secret known here")
    # The event's own id stands in the body alone, and a retry sends the same body.
    return _wire.delivery_id("", body=request.body)


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body = _wire.Fields(payload)
    match body.text("type"):
        case "job-completed":
            return [_job(body)]
        case "workflow-completed":
            return [_workflow(body)]
        case kind:
            return [Ignored(reason=f"{kind} events say nothing of a job's result")]


def _job(body: _wire.Fields) -> Result:
    job = body.child("job")
    facts = _facts(body, job, run=job.ident("id"), coarse=False)
    return _result(facts, status=job.label("status"))


def _workflow(body: _wire.Fields) -> Result:
    workflow = body.child("workflow")
    facts = _facts(body, workflow, run=f"workflow-{workflow.ident('id')}", coarse=True)
    return _result(facts, status=workflow.label("status"))


def _result(facts: JobFacts, *, status: str) -> Result:
    if status == "success":
        return _wire.passed(facts)
    if status in RED:
        return _wire.failed(facts)
    return Ignored(reason=f"{facts.job}: {status or 'no status'} is neither red nor green")


def _facts(body: _wire.Fields, part: _wire.Fields, *, run: str, coarse: bool) -> JobFacts:
    workflow = body.maybe("workflow")
    repository, branch, commit, fork = _source(body.child("pipeline"))
    return JobFacts(
        execution=ExecutionRef(provider=name, host=_wire.host_of("", provider=name), job_run_id=run),
        repository=repository,
        branch=branch,
        commit=commit,
        job=part.title("name"),
        pipeline_url=workflow.link("url"),
        fork=fork,
        parent_id=workflow.ident("id") if "id" in workflow else "",
        coarse=coarse,
        finished_at=part.moment("stopped_at"),
    )


def _source(pipeline: _wire.Fields) -> tuple[str, str, str, bool]:
    """Repository, branch, commit, fork. GitHub OAuth and Bitbucket projects have `vcs`, the others `trigger_parameters.git`."""
    if "vcs" in pipeline:
        vcs = pipeline.child("vcs")
        target, origin = vcs.cloned("target_repository_url"), vcs.optional("origin_repository_url", limit=2_000)
        return target, vcs.branch("branch"), vcs.commit("revision"), bool(origin) and _wire.repository_of(origin) != target
    git = pipeline.child("trigger_parameters").child("git")
    return git.cloned("checkout_url"), git.branch("branch"), git.commit("checkout_sha"), False


_outbound = _wire.WebhookOnly("CircleCI")
fetch_log, expand, rerun, rerun_result = _outbound.fetch_log, _outbound.expand, _outbound.rerun, _outbound.rerun_result
