"""Results from jobs and workflow runs as the webhook and the REST API show them alike.

A job that is run again keeps its id in some versions and is a new job in others; its `run_attempt`
grows in both.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from msgspec import structs

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire

name = "gitea"
RED, GREEN = "failure", "success"
MAX_ATTEMPT = 9_999
Part = TypeVar("Part", bound=JobFacts)


def job_result(
    job: _wire.Fields,
    *,
    repository: str,
    host: str,
    base_branch: str = "",
    fork: bool = False,
    run: JobFacts | None = None,
) -> Result:
    """Of which workflow it is, and of whose code, only its run tells (`run`)."""
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
        partial=True,
        parent_id=job.ident("run_id"),
        parent_attempt=attempt_of(job),
        finished_at=_ended(job),
    )
    return _result(
        of_run(facts, run) if run else facts,
        conclusion=job.label("conclusion"),
        step=_failed_step(job),
    )


def of_run(facts: Part, run: JobFacts) -> Part:
    """The facts of a job with what its workflow run tells of it besides."""
    return structs.replace(
        facts,
        base_branch=facts.base_branch or run.base_branch,
        fork=facts.fork or run.fork,
        head_repository=run.head_repository,
        definition=run.job,
        partial=False,
    )


def run_result(
    run: _wire.Fields, *, repository: str, host: str, base_branch: str = "", fork: bool = False
) -> Result:
    facts = run_facts(run, repository=repository, host=host, base_branch=base_branch, fork=fork)
    return _result(facts, conclusion=run.label("conclusion"))


def run_facts(
    run: _wire.Fields, *, repository: str, host: str, base_branch: str = "", fork: bool = False
) -> JobFacts:
    head = run.maybe("head_repository").label("full_name")
    path = run.label("path").partition("@")[0]
    return JobFacts(
        execution=ExecutionRef(
            provider=name, host=host, job_run_id=f"run-{run.ident('id')}", attempt=attempt_of(run)
        ),
        repository=repository,
        branch=_wire.plain_branch(run.branch("head_branch")),
        commit=run.commit("head_sha"),
        # `ci.yml@refs/heads/main`: the workflow keeps its name over branches.
        job=path or "workflow",
        pipeline_url=run.link("html_url"),
        base_branch=base_branch,
        fork=fork or head not in ("", repository),
        head_repository="" if head == repository else head,
        definition=path,
        parent_id=run.ident("id"),
        parent_attempt=attempt_of(run),
        coarse=True,
        finished_at=_ended(run),
    )


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
