"""Results from jobs as the webhook and the REST API show them, which is nearly alike."""

from __future__ import annotations

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.providers.buildkite.hosts import HOSTS
from cihealing.providers.shared import refs as _refs
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import wire as _wire

name = "buildkite"
RED = ("failed", "timed_out")
ENDED = ("passed", "failed", "finished", "timed_out", "canceled", "skipped", "broken", "expired")


def job_result(body: _wire.Fields) -> Result:
    job, build = body.child("job"), body.child("build")
    kind = job.label("type") or "script"
    if kind != "script":
        return Ignored(reason=f"a {kind} step runs no command")
    if build.text("commit").upper() == "HEAD":
        return Ignored(reason="the build was started for HEAD and names no commit")
    facts, state = _facts(body, job, build), _state(job)
    if state == "passed":
        return _results.passed(facts)
    if state in RED and not job.flag("soft_failed"):
        return _results.failed(
            facts,
            command=job.label("command", limit=4_000),
            conclusion=state,
            never_started="no agent took it" if job.null("started_at") else "",
        )
    return Ignored(
        reason=(
            f"{facts.job}: {state or 'no state'}{' (soft fail)' if job.flag('soft_failed') else ''}"
            " is neither red nor green"
        )
    )


def of_build(build: _wire.Fields, job: _wire.Fields) -> Result:
    """From a job of a build as the REST API shows it: the same fields as in the webhook, put
    together in another way.
    """
    return job_result(_wire.Fields.of(job=job, build=build, pipeline=build.child("pipeline")))


def _state(job: _wire.Fields) -> str:
    """REST says `passed` or `failed`; where only `finished` is said, the exit status decides."""
    state = job.label("state").lower()
    if state != "finished":
        return state
    return "passed" if job.number("exit_status") == 0 else "failed"


def _facts(body: _wire.Fields, job: _wire.Fields, build: _wire.Fields) -> JobFacts:
    repository, request = body.child("pipeline").cloned("repository"), build.maybe("pull_request")
    branch, user = _branch(build)
    source = _wire.repository_of(request.optional("repository", limit=2_000))
    fork = bool(user) or (bool(source) and source != repository)
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=HOSTS.ids, job_run_id=job.ident("id")),
        repository=repository,
        branch=branch,
        commit=build.commit("commit"),
        job=job.label("name") or job.label("step_key") or "build",
        pipeline_url=job.link("web_url") or build.link("web_url"),
        base_branch=request.branch("base"),
        fork=fork,
        head_repository=(source or user) if fork else "",
        definition=_definition(body.child("pipeline"), job),
        change=request.maybe_ident("id"),
        parent_id=build.maybe_ident("id"),
        finished_at=job.moment("finished_at"),
    )
    return _refs.tagged(facts, build.optional("tag", limit=250))


def _definition(pipeline: _wire.Fields, job: _wire.Fields) -> str:
    """Pipeline and step, and which of its parallel jobs: labels may stand twice."""
    share = job.number("parallel_group_index")
    parts = [pipeline.label("slug"), job.label("step_key"), "" if share is None else str(share)]
    return "/".join(part[:90] for part in parts if part)


def _branch(build: _wire.Fields) -> tuple[str, str]:
    """Branch and user: a pull request of a fork is built as `user:branch`."""
    user, _, branch = build.optional("branch", limit=255).rpartition(":")
    if not _wire.is_branch(branch):
        raise build.bad("branch", "a branch name that git accepts is expected")
    return branch, user
