"""GitLab: Job Hook and Pipeline Hook, by secret token or by signing token.

Source: GitLab docs, 'Webhooks' > 'Delivery headers' and 'Webhook events' > 'Job events', 'Pipeline
events'; 'Jobs API'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.ports import BadSignature, RawRequest
from cihealing.providers.gitlab.results import name, of_request, result_of
from cihealing.providers.shared import refs as _refs
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    """A signing token (`whsec_…`) signs after Standard Webhooks; a secret token is sent as it is in
    X-Gitlab-Token.
    """
    known = _signing.require_secret(secrets, provider=name)
    signing = [secret for secret in known if secret.startswith(_signing.SECRET_PREFIX)]
    if signing and "webhook-signature" in request.headers:
        # A stale signature must not be saved by the token sent beside it.
        _signing.verify_standard(
            request.headers, body=request.body, secrets=signing, now=request.received_at
        )
    else:
        _verify_token(request, known)
    # Idempotency-Key stays the same over retries and is new for each event. X-Gitlab-Event-UUID is
    # shared by all hooks of one request and by what they trigger in turn, X-Gitlab-Webhook-UUID is
    # new for each try: neither names a delivery.
    return _signing.delivery_id(request.headers.get("idempotency-key", ""), body=request.body)


def _verify_token(request: RawRequest, secrets: Sequence[str]) -> None:
    given = _signing.required_header(request.headers, "x-gitlab-token")
    if not _signing.one_of(given, secrets):
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
            return [
                Ignored(
                    reason=(
                        f"{kind or body.label('event_name')} events say nothing of a job's result"
                    )
                )
            ]


def own_change(payload: Mapping[str, Any]) -> tuple[str, str] | None:
    """(repository, branch) of a change of the service's own that a `merge_request` tells of."""
    if _results.at(payload, "object_kind") != "merge_request":
        return None
    return _results.own_change(
        _results.at(payload, "project", "path_with_namespace"),
        _results.at(payload, "object_attributes", "source_branch"),
    )


def _job(body: _wire.Fields) -> Result:
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=_host(body), job_run_id=body.ident("build_id")),
        repository=_repository(body),
        branch=_wire.plain_branch(body.branch("ref")),
        commit=body.commit("sha"),
        job=body.title("build_name"),
        pipeline_url=_page(body, job=body.ident("build_id")),
        # Whether the pipeline is another one's child it does not say.
        partial=True,
        definition=body.label("build_stage"),
        parent_id=body.maybe_ident("pipeline_id"),
        finished_at=body.moment("build_finished_at"),
    )
    status, allowed = body.label("build_status"), body.flag("build_allow_failure")
    return result_of(
        _refs.tagged(facts, facts.branch) if body.flag("tag") else facts,
        status=status,
        allowed=allowed,
        reason=body.label("build_failure_reason"),
        began=not body.null("build_started_at"),
    )


def _pipeline(body: _wire.Fields) -> list[Result]:
    """The results of its ended jobs, whatever the pipeline's own status is: each is a fact of its
    own.
    """
    pipeline = body.child("object_attributes")
    results = [_pipeline_job(body, pipeline, build) for build in body.children("builds")]
    ended: list[Result] = [result for result in results if not isinstance(result, Ignored)]
    return ended or [
        Ignored(
            reason=(
                f"pipeline {pipeline.ident('id')} is {pipeline.label('status')}: no job of it is"
                " red or green yet"
            )
        )
    ]


def _pipeline_job(body: _wire.Fields, pipeline: _wire.Fields, build: _wire.Fields) -> Result:
    request = body.maybe("merge_request")
    facts = JobFacts(
        execution=ExecutionRef(provider=name, host=_host(body), job_run_id=build.ident("id")),
        repository=_repository(body),
        branch=_wire.plain_branch(pipeline.branch("ref")),
        commit=pipeline.commit("sha"),
        job=build.title("name"),
        pipeline_url=_page(body, job=build.ident("id")),
        partial=pipeline.label("source") == "parent_pipeline",
        definition=build.label("stage"),
        parent_id=pipeline.ident("id"),
        finished_at=build.moment("finished_at"),
    )
    if "merge_request" in body:
        facts = of_request(_refs.placed(facts), request)
    return result_of(
        _refs.tagged(facts, facts.branch) if pipeline.flag("tag") else facts,
        status=build.label("status"),
        allowed=build.flag("allow_failure"),
        reason=build.label("failure_reason"),
        began=not build.null("started_at"),
    )


def _repository(body: _wire.Fields) -> str:
    """Full path with namespace. Older Job Hooks have no `project`; their `project_name` is a
    display name, so the clone URL speaks.
    """
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
