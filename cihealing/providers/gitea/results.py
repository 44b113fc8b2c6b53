"""Results from jobs and workflow runs as the webhook and the REST API show them alike.

A job that is run again keeps its id in some versions and is a new job in others; its `run_attempt`
grows in both.
"""

from __future__ import annotations

from datetime import datetime

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire

name = "gitea"
RED, GREEN = "failure", "success"
MAX_ATTEMPT = 9_999


def job_result(
    job: _wire.Fields, *, repository: str, host: str, base_branch: str = "", fork: bool = False
) -> Result:
    facts = JobFacts(
        execution=ExecutionRef(
            provider=name, host=host, job_run_id=job.ident("id"), attempt=attempt_of(job)
        ),
        repository=repository,
        branch=_wire.plain_branch(job.branch("head_branch")),
        commit=job.commit("head_sha"),
        job=job.title("name"),
        pipeline_url=job.link("html_url"),
        base_branch=base_branch,
        fork=fork,
        parent_id=job.ident("run_id"),
        finished_at=_ended(job),
    )
    return _result(facts, conclusion=job.label("conclusion"), step=_failed_step(job))


def run_result(
    run: _wire.Fields, *, repository: str, host: str, base_branch: str = "", fork: bool = False
) -> Result:
    facts = JobFacts(
        execution=ExecutionRef(
            provider=name, host=host, job_run_id=f"run-{run.ident('id')}", attempt=attempt_of(run)
        ),
        repository=repository,
        branch=_wire.plain_branch(run.branch("head_branch")),
        commit=run.commit("head_sha"),
        # `ci.yml@refs/heads/main`: the workflow keeps its name over branches.
        job=run.label("path").partition("@")[0] or "workflow",
        pipeline_url=run.link("html_url"),
        base_branch=base_branch,
        fork=fork,
        parent_id=run.ident("id"),
        coarse=True,
        finished_at=_ended(run),
    )
    return _result(facts, conclusion=run.label("conclusion"))


def _ended(fields: _wire.Fields) -> datetime | None:
    """None where it is Go's zero time, which stands for what has not ended yet."""
    at = fields.moment("completed_at")
    return at if at is not None and at.year > 1 else None


def attempt_of(fields: _wire.Fields) -> int:
    return fields.number("run_attempt", least=0, most=MAX_ATTEMPT) or 1


def _failed_step(job: _wire.Fields) -> str:
    steps = job.children("steps")
    return next((step.label("name") for step in steps if step.label("conclusion") == RED), "")


def _result(facts: JobFacts, *, conclusion: str, step: str = "") -> Result:
    if conclusion == GREEN:
        return _results.passed(facts)
    if conclusion == RED:
        return _results.failed(facts, conclusion=conclusion, step=step)
    return Ignored(reason=f"{facts.job}: {conclusion or 'no conclusion'} is neither red nor green")
