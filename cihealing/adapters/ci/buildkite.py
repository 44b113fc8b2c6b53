"""Buildkite webhooks: job.finished. By signature (better) or by plain token.

Source: Buildkite docs, 'Webhooks' > 'Webhook signature' and 'Job events'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cihealing.adapters.ci import _wire
from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.ports import BadSignature, RawRequest

name = "buildkite"

RED = ("failed", "timed_out")


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _wire.require_secret(secrets, provider=name)
    if "x-buildkite-signature" in request.headers:
        _verify_signature(request, known)
    else:
        _verify_token(request, known)
    # Buildkite names no delivery; a retry sends the same body, and each job's end has its own.
    return _wire.delivery_id("", body=request.body)


def _verify_signature(request: RawRequest, secrets: Sequence[str]) -> None:
    given = request.headers["x-buildkite-signature"]
    parts = dict(part.strip().partition("=")[::2] for part in given.split(",", 4)[:4])
    timestamp, signature = parts.get("timestamp", ""), parts.get("signature", "")
    _wire.fresh(timestamp, now=request.received_at, header="the timestamp of X-Buildkite-Signature")
    signed = timestamp.encode() + b"." + request.body
    if not _wire.hex_signed(signature, message=signed, secrets=secrets, schemes={"": "sha256"}):
        raise BadSignature("X-Buildkite-Signature is not of a secret known here")


def _verify_token(request: RawRequest, secrets: Sequence[str]) -> None:
    given = request.headers.get("x-buildkite-token", "")
    if not given:
        raise BadSignature("X-Buildkite-Signature (or X-Buildkite-Token) is missing")
    if not _wire.one_of(given, secrets):
        raise BadSignature("X-Buildkite-Token is not a secret known here")


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body = _wire.Fields(payload)
    match body.text("event"):
        case "job.finished":
            return [_job(body)]
        case "build.finished":
            # It names no job; where job.finished is sent too, the build would be a second report of the same failure.
            return [Ignored(reason="build.finished is only noted: let Buildkite send job.finished, its jobs report themselves")]
        case event:
            return [Ignored(reason=f"{event} events say nothing of a job's result")]


def _job(body: _wire.Fields) -> Result:
    job, build = body.child("job"), body.child("build")
    kind = job.label("type") or "script"
    if kind != "script":
        return Ignored(reason=f"a {kind} step runs no command")
    if build.text("commit").upper() == "HEAD":
        return Ignored(reason="the build was started for HEAD and names no commit")
    facts, state = _facts(body, job, build), _state(job)
    if state == "passed":
        return _wire.passed(facts)
    if state in RED and not job.flag("soft_failed"):
        return _wire.failed(facts, command=job.label("command", limit=4_000), conclusion=state)
    return Ignored(reason=f"{facts.job}: {state or 'no state'}{' (soft fail)' if job.flag('soft_failed') else ''} is neither red nor green")


def _state(job: _wire.Fields) -> str:
    """REST says `passed` or `failed`; where only `finished` is said, the exit status decides."""
    state = job.label("state").lower()
    if state != "finished":
        return state
    return "passed" if job.value.get("exit_status") in (0, "0") else "failed"


def _facts(body: _wire.Fields, job: _wire.Fields, build: _wire.Fields) -> JobFacts:
    repository, request = body.child("pipeline").cloned("repository"), build.maybe("pull_request")
    branch, fork = _branch(build)
    source = _wire.repository_of(request.optional("repository", limit=2_000))
    return JobFacts(
        execution=ExecutionRef(provider=name, host=_wire.host_of("", provider=name), job_run_id=job.ident("id")),
        repository=repository,
        branch=branch,
        commit=build.commit("commit"),
        job=job.label("name") or job.label("step_key") or "build",
        pipeline_url=job.link("web_url") or build.link("web_url"),
        base_branch=request.branch("base"),
        fork=fork or (bool(source) and source != repository),
        parent_id=build.ident("id") if "id" in build else "",
        finished_at=job.moment("finished_at"),
    )


def _branch(build: _wire.Fields) -> tuple[str, bool]:
    """A pull request of a fork is built as `user:branch`."""
    user, colon, branch = build.optional("branch", limit=255).rpartition(":")
    if not _wire.is_branch(branch):
        raise build.bad("branch", "a branch name that git accepts is expected")
    return branch, bool(colon and user)


_outbound = _wire.WebhookOnly("Buildkite")
fetch_log, expand, rerun, rerun_result = _outbound.fetch_log, _outbound.expand, _outbound.rerun, _outbound.rerun_result
