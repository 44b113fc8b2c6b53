"""Results from jobs, as the webhooks tell and the REST API shows them."""

from __future__ import annotations

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire

name = "gitlab"


def result_of(facts: JobFacts, *, status: str, allowed: bool, reason: str) -> Result:
    if status == "success":
        return _results.passed(facts)
    if status == "failed" and not allowed:
        return _results.failed(facts, error_type="" if reason == "script_failure" else reason)
    return Ignored(
        reason=(
            f"{facts.job}: {status or 'no status'}{' (allowed to fail)' if allowed else ''} is"
            " neither red nor green"
        )
    )


def listed(job: _wire.Fields, repository: str, *, base: str = "", fork: bool = False) -> Result:
    """From a job as the REST API shows it."""
    page = job.link("web_url")
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=_wire.host_of(page), job_run_id=job.ident("id")),
        repository=repository,
        branch=_wire.plain_branch(job.branch("ref")),
        commit=(
            job.maybe("commit").commit("id")
            if "commit" in job
            else job.child("pipeline").commit("sha")
        ),
        job=job.title("name"),
        pipeline_url=page,
        base_branch=base,
        fork=fork,
        parent_id=job.child("pipeline").ident("id"),
        finished_at=job.moment("finished_at"),
    )
    return result_of(
        facts,
        status=job.label("status"),
        allowed=job.flag("allow_failure"),
        reason=job.label("failure_reason"),
    )
