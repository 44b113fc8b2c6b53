"""Results from jobs and workflow runs as the webhook and the REST API show them alike.

GitHub gives each try of a job an id of its own, so `attempt` is always 1 for a job; a coarse result
carries the run's attempt. Ids that are no jobs are prefixed: their number spaces overlap.
"""

from __future__ import annotations

from typing import Any

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire

name = "github"
RED = ("failure", "timed_out", "startup_failure")
MAX_ATTEMPT = 9_999


def job_result(
    job: _wire.Fields, *, repository: str, host: str, base_branch: str = "", fork: bool = False
) -> Result:
    """From a job as the webhook and the REST API show it alike."""
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=host, job_run_id=job.ident("id")),
        repository=repository,
        branch=job.branch("head_branch"),
        commit=job.commit("head_sha"),
        job=job.title("name"),
        pipeline_url=job.link("html_url"),
        base_branch=base_branch,
        fork=fork,
        parent_id=job.ident("run_id"),
        finished_at=job.moment("completed_at"),
    )
    return result_of(facts, conclusion=job.label("conclusion"), step=_failed_step(job))


def _failed_step(job: _wire.Fields) -> str:
    return next(
        (step.label("name") for step in job.children("steps") if step.label("conclusion") in RED),
        "",
    )


def run_result(run: _wire.Fields, *, repository: str, host: str) -> Result:
    """From a workflow run as the webhook and the REST API show it alike."""
    facts = JobFacts(
        execution=ExecutionRef(
            provider=name, host=host, job_run_id=f"run-{run.ident('id')}", attempt=attempt_of(run)
        ),
        repository=repository,
        branch=run.branch("head_branch"),
        commit=run.commit("head_sha"),
        job=run.label("name") or run.label("path") or "workflow",
        pipeline_url=run.link("html_url"),
        base_branch=base_branch_of(run),
        fork=_of_fork(run, repository),
        parent_id=run.ident("id"),
        coarse=True,
        finished_at=run.moment("updated_at"),
    )
    return result_of(facts, conclusion=run.label("conclusion"))


def _of_fork(run: _wire.Fields, repository: str) -> bool:
    """A deleted fork leaves `head_repository: null`."""
    if "head_repository" in run:
        return run.child("head_repository").label("full_name") != repository
    return run.null("head_repository")


def attempt_of(run: _wire.Fields) -> int:
    return run.number("run_attempt", least=1, most=MAX_ATTEMPT) or 1


def base_branch_of(fields: _wire.Fields) -> str:
    """Of the first pull request the payload names (a build of a fork names none)."""
    return next(
        (request.maybe("base").branch("ref") for request in fields.children("pull_requests")), ""
    )


def result_of(facts: JobFacts, *, conclusion: str, **more: Any) -> Result:
    """`more` says what is known of a failure alone."""
    if conclusion == "success":
        return _results.passed(facts)
    if conclusion in RED:
        return _results.failed(facts, conclusion=conclusion, **more)
    return Ignored(reason=f"{facts.job}: {conclusion or 'no conclusion'} is neither red nor green")


def host_of(repository: _wire.Fields) -> str:
    return _wire.host_of(repository.link("html_url"))
