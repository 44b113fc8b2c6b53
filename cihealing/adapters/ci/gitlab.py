"""GitLab: Job Hook and Pipeline Hook, by secret token or by signing token.

Source: GitLab docs, 'Webhooks' > 'Delivery headers' and 'Webhook events' > 'Job events', 'Pipeline events'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cihealing.adapters.ci import _wire
from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.ports import BadSignature, RawRequest

name = "gitlab"


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    """A signing token (`whsec_…`) signs after Standard Webhooks; a secret token is sent as it is in X-Gitlab-Token."""
    known = _wire.require_secret(secrets, provider=name)
    signing = [secret for secret in known if secret.startswith(_wire.SECRET_PREFIX)]
    if signing and "webhook-signature" in request.headers:
        # A stale signature must not be saved by the token sent beside it.
        _wire.verify_standard(request.headers, body=request.body, secrets=signing, now=request.received_at)
    else:
        _verify_token(request, known)
    # Idempotency-Key stays the same over retries and is new for each event. X-Gitlab-Event-UUID is shared by all hooks of one
    # request and by what they trigger in turn, X-Gitlab-Webhook-UUID is new for each try: neither names a delivery.
    return _wire.delivery_id(request.headers.get("idempotency-key", ""), body=request.body)


def _verify_token(request: RawRequest, secrets: Sequence[str]) -> None:
    given = _wire.required_header(request.headers, "x-gitlab-token")
    if not _wire.one_of(given, secrets):
        raise BadSignature("X-Gitlab-Token is not a secret known here")


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body = _wire.Fields(payload)
    match body.label("object_kind"):
        case "build" | "job":
            return [_job(body)]
        case "pipeline":
            return _pipeline(body)
        case "" if "event_name" not in body:
            raise body.bad("object_kind", "this field is required")
        case kind:
            return [Ignored(reason=f"{kind or body.label('event_name')} events say nothing of a job's result")]


def _job(body: _wire.Fields) -> Result:
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=_host(body), job_run_id=body.ident("build_id")),
        repository=_repository(body),
        branch=_wire.plain_branch(body.branch("ref")),
        commit=body.commit("sha"),
        job=body.title("build_name"),
        pipeline_url=_page(body, job=body.ident("build_id")),
        parent_id=body.ident("pipeline_id") if "pipeline_id" in body else "",
        finished_at=body.moment("build_finished_at"),
    )
    status, allowed = body.label("build_status"), body.flag("build_allow_failure")
    return _result(facts, status=status, allowed=allowed, reason=body.label("build_failure_reason"))


def _pipeline(body: _wire.Fields) -> list[Result]:
    """The results of its ended jobs, whatever the pipeline's own status is: each is a fact of its own."""
    pipeline = body.child("object_attributes")
    results = [_pipeline_job(body, pipeline, build) for build in body.children("builds")]
    ended: list[Result] = [result for result in results if not isinstance(result, Ignored)]
    return ended or [Ignored(reason=f"pipeline {pipeline.ident('id')} is {pipeline.label('status')}: no job of it is red or green yet")]


def _pipeline_job(body: _wire.Fields, pipeline: _wire.Fields, build: _wire.Fields) -> Result:
    request = body.maybe("merge_request")
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=_host(body), job_run_id=build.ident("id")),
        repository=_repository(body),
        branch=_wire.plain_branch(pipeline.branch("ref")),
        commit=pipeline.commit("sha"),
        job=build.title("name"),
        pipeline_url=_page(body, job=build.ident("id")),
        base_branch=request.branch("target_branch"),
        fork=request.value.get("source_project_id") != request.value.get("target_project_id"),
        parent_id=pipeline.ident("id"),
        finished_at=build.moment("finished_at"),
    )
    return _result(facts, status=build.label("status"), allowed=build.flag("allow_failure"), reason=build.label("failure_reason"))


def _result(facts: JobFacts, *, status: str, allowed: bool, reason: str) -> Result:
    if status == "success":
        return _wire.passed(facts)
    if status == "failed" and not allowed:
        return _wire.failed(facts, error_type="" if reason == "script_failure" else reason)
    return Ignored(reason=f"{facts.job}: {status or 'no status'}{' (allowed to fail)' if allowed else ''} is neither red nor green")


def _repository(body: _wire.Fields) -> str:
    """Full path with namespace. Older Job Hooks have no `project`; their `project_name` is a display name, so the clone URL speaks."""
    project, source = body.maybe("project"), body.maybe("repository")
    if "path_with_namespace" in project:
        return project.repository("path_with_namespace")
    return source.cloned("git_http_url" if "git_http_url" in source else "homepage")


def _web_url(body: _wire.Fields) -> str:
    return body.maybe("project").link("web_url") or body.maybe("repository").link("homepage")


def _host(body: _wire.Fields) -> str:
    return _wire.host_of(_web_url(body))


def _page(body: _wire.Fields, *, job: str) -> str:
    base = _web_url(body)
    return f"{base}/-/jobs/{job}" if base else ""


_outbound = _wire.WebhookOnly("GitLab")
fetch_log, expand, rerun, rerun_result = _outbound.fetch_log, _outbound.expand, _outbound.rerun, _outbound.rerun_result
