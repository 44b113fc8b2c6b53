"""Results from jobs and workflow runs as the webhook and the REST API show them alike.

GitHub gives each try of a job an id of its own, so `attempt` is always 1 for a job; a coarse result
carries the run's attempt. Ids that are no jobs are prefixed: their number spaces overlap.
"""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import structs

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire

name = "github"
RED = ("failure", "timed_out", "startup_failure")
MAX_ATTEMPT = 9_999
OF_RUN = ("base_branch", "fork", "head_repository", "change")
Part = TypeVar("Part", bound=JobFacts)


def job_result(
    job: _wire.Fields, *, repository: str, host: str, run: JobFacts | None = None
) -> Result:
    """From a job as the webhook and the REST API show it alike. Of whose code it is only its
    workflow run (`run`) tells.
    """
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=host, job_run_id=job.ident("id")),
        repository=repository,
        branch=job.branch("head_branch"),
        commit=job.commit("head_sha"),
        job=job.title("name"),
        pipeline_url=job.link("html_url"),
        partial=True,
        definition=job.label("workflow_name"),
        parent_id=job.ident("run_id"),
        parent_attempt=attempt_of(job),
        finished_at=job.moment("completed_at"),
    )
    return result_of(
        of_run(facts, run) if run else facts,
        conclusion=job.label("conclusion"),
        step=_failed_step(job),
        never_started=_never_started(job),
    )


def of_run(facts: Part, run: JobFacts) -> Part:
    """The facts of a job with what its workflow run tells of it besides."""
    told = {name: getattr(run, name) or getattr(facts, name) for name in OF_RUN}
    return structs.replace(facts, **told, definition=facts.definition or run.job, partial=False)


def _never_started(job: _wire.Fields) -> str:
    """A job that a runner took has a first step at least."""
    if "steps" not in job or job.children("steps") or job.number("runner_id"):
        return ""
    return (
        "no runner began it: look at the account's billing and spending limit, at the runners"
        " there are for its labels, and at the notes on the workflow's page"
    )


def _failed_step(job: _wire.Fields) -> str:
    return next(
        (step.label("name") for step in job.children("steps") if step.label("conclusion") in RED),
        "",
    )


def run_facts(run: _wire.Fields, *, repository: str, host: str) -> JobFacts:
    return JobFacts(
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
        head_repository=_head_repository(run, repository),
        definition=run.label("name"),
        change=change_of(run),
        parent_id=run.ident("id"),
        parent_attempt=attempt_of(run),
        coarse=True,
        finished_at=run.moment("updated_at"),
    )


def run_result(run: _wire.Fields, *, repository: str, host: str) -> Result:
    """From a workflow run as the webhook and the REST API show it alike."""
    facts = run_facts(run, repository=repository, host=host)
    return result_of(facts, conclusion=run.label("conclusion"))


def _of_fork(run: _wire.Fields, repository: str) -> bool:
    """A deleted fork leaves `head_repository: null`."""
    if "head_repository" in run:
        return run.child("head_repository").label("full_name") != repository
    return run.null("head_repository")


def _head_repository(run: _wire.Fields, repository: str) -> str:
    """Empty for the repository's own code, and for that of a deleted fork."""
    head = run.maybe("head_repository").label("full_name")
    return "" if head == repository else head


def attempt_of(run: _wire.Fields) -> int:
    return run.number("run_attempt", least=1, most=MAX_ATTEMPT) or 1


def base_branch_of(fields: _wire.Fields) -> str:
    """Of the first pull request the payload names (a build of a fork names none)."""
    return next(
        (request.maybe("base").branch("ref") for request in fields.children("pull_requests")), ""
    )


def change_of(fields: _wire.Fields) -> str:
    """Number of the first pull request the payload names; "" where it names none."""
    return next((request.maybe_ident("number") for request in fields.children("pull_requests")), "")


def result_of(facts: JobFacts, *, conclusion: str, **more: Any) -> Result:
    """`more` says what is known of a failure alone."""
    if conclusion == "success":
        return _results.passed(facts)
    if conclusion in RED:
        return _results.failed(facts, conclusion=conclusion, **more)
    return Ignored(reason=f"{facts.job}: {conclusion or 'no conclusion'} is neither red nor green")


def host_of(repository: _wire.Fields) -> str:
    return _wire.host_of(repository.link("html_url"))
