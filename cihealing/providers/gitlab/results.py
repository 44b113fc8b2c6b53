"""Results from jobs, as the webhooks tell and the REST API shows them."""

from __future__ import annotations

from typing import TypeVar

from msgspec import structs

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire

name = "gitlab"
Facts = TypeVar("Facts", bound=JobFacts)


def of_request(facts: Facts, request: _wire.Fields) -> Facts:
    """The facts of a merge request's build. Under the request's own ref it is its source branch
    that is built, but for a merge train.
    """
    source = request.maybe_ident("source_project_id")
    fork = source != request.maybe_ident("target_project_id")
    built = facts.ref.endswith("/head") and not fork
    return structs.replace(
        facts,
        fork=fork,
        head_repository=f"project {source}" if fork else "",
        change=request.maybe_ident("iid"),
        base_branch=request.branch("target_branch"),
        branch=request.branch("source_branch") if built else facts.branch,
        ref="" if built else facts.ref,
    )


NEVER_STARTED = {
    "ci_quota_exceeded": "the compute minutes of the group are used up",
    "no_matching_runner": "no runner has its tags",
    "stuck_or_timeout_failure": "no runner took it in time",
    "runner_unsupported": "its runner is too old for what it asks",
    "scheduler_failure": "GitLab could not assign it to a runner",
    "data_integrity_failure": "GitLab found its data damaged",
    "forward_deployment_failure": "a newer deployment went before it",
    "user_blocked": "the user who began it is blocked",
    "runner_system_failure": "its runner failed before its script",
    "runner_provisioning_timeout": "its runner was not there in time",
    "unmet_prerequisites": "what it needs was not there",
}
"""What a job that never ran its script failed of. Source: GitLab, `Enums::Ci::CommitStatus`."""


def result_of(
    facts: JobFacts, *, status: str, allowed: bool, reason: str, began: bool = True
) -> Result:
    if status == "success":
        return _results.passed(facts)
    if status == "failed" and not allowed:
        return _results.failed(
            facts,
            error_type="" if reason == "script_failure" else reason,
            never_started="" if began else NEVER_STARTED.get(reason, ""),
        )
    return Ignored(
        reason=(
            f"{facts.job}: {status or 'no status'}{' (allowed to fail)' if allowed else ''} is"
            " neither red nor green"
        )
    )


def listed(job: _wire.Fields, repository: str, *, pipeline: JobFacts | None = None) -> Result:
    """From a job as the REST API shows it. Whose code it is its pipeline tells (`pipeline`)."""
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
        base_branch=pipeline.base_branch if pipeline else "",
        fork=bool(pipeline and pipeline.fork),
        head_repository=pipeline.head_repository if pipeline else "",
        partial=pipeline is None or pipeline.partial,
        change=pipeline.change if pipeline else "",
        definition=job.label("stage"),
        parent_id=job.child("pipeline").ident("id"),
        finished_at=job.moment("finished_at"),
    )
    return result_of(
        facts,
        status=job.label("status"),
        allowed=job.flag("allow_failure"),
        reason=job.label("failure_reason"),
        began=not job.null("started_at"),
    )
