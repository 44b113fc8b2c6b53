"""Results from jobs and workflows, as the webhook tells and the REST API lists them."""

from __future__ import annotations

from msgspec import structs

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.providers.circleci.hosts import HOSTS
from cihealing.providers.shared import refs as _refs
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire

name = "circleci"
RED = ("failed", "error")


def result_of(facts: JobFacts, *, status: str, never_started: str = "") -> Result:
    if status == "success":
        return _results.passed(facts)
    if status in RED:
        return _results.failed(facts, never_started=never_started)
    return Ignored(reason=f"{facts.job}: {status or 'no status'} is neither red nor green")


def facts_of(body: _wire.Fields, part: _wire.Fields, *, run: str, coarse: bool) -> JobFacts:
    workflow = body.maybe("workflow")
    pipeline = body.child("pipeline")
    repository, branch, commit, head = _source(pipeline)
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=HOSTS.ids, job_run_id=run),
        repository=repository,
        branch=branch,
        commit=commit,
        job=part.title("name"),
        pipeline_url=workflow.link("url"),
        fork=bool(head),
        head_repository=head,
        definition=workflow.label("name"),
        parent_id=workflow.maybe_ident("id"),
        coarse=coarse,
        finished_at=part.moment("stopped_at"),
    )
    return _refs.tagged(facts, _tag(pipeline))


def _tag(pipeline: _wire.Fields) -> str:
    git = pipeline.maybe("trigger_parameters").maybe("git")
    return pipeline.maybe("vcs").optional("tag") or git.optional("tag")


def _source(pipeline: _wire.Fields) -> tuple[str, str, str, str]:
    """Repository, branch, commit, and of a fork's build the fork. GitHub OAuth and Bitbucket
    projects have `vcs`, the others `trigger_parameters.git`.
    """
    if "vcs" in pipeline:
        vcs = pipeline.child("vcs")
        target, origin = (
            vcs.cloned("target_repository_url"),
            _wire.repository_of(vcs.optional("origin_repository_url", limit=2_000)),
        )
        return (
            target,
            vcs.branch("branch"),
            vcs.commit("revision"),
            "" if origin == target else origin,
        )
    git = pipeline.child("trigger_parameters").child("git")
    return git.cloned("checkout_url"), git.branch("branch"), git.commit("checkout_sha"), ""


def listed(job: _wire.Fields, workflow: JobFacts) -> Result:
    """From a job as the REST API lists it, and what is known of its workflow."""
    execution = structs.replace(workflow.execution, job_run_id=job.ident("id"))
    facts = {field: getattr(workflow, field) for field in JobFacts.__struct_fields__}
    facts |= {
        "execution": execution,
        "job": job.title("name"),
        "coarse": False,
        "finished_at": job.moment("stopped_at"),
    }
    status = job.label("status")
    return result_of(
        JobFacts(**facts),
        status="failed" if status in ("timedout", "infrastructure_fail") else status,
        never_started="CircleCI's machines failed" if status == "infrastructure_fail" else "",
    )
