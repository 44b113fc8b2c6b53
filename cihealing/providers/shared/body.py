"""Any CI that can sign a small JSON body: `cihealing notify`, a script, a CI without a provider of
its own.

The body is the one the README shows (`provider`, `repository`, `branch`, `commitSha`, `errorLog`
…). Signed after Standard Webhooks (webhook-id, -timestamp, -signature) or with
`X-Hub-Signature-256: sha256=HEX` over the raw body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cihealing import providers
from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.ports import BadSignature, RawRequest
from cihealing.providers.shared import refs as _refs
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire

GENERIC = "generic"
"""Whose the result is where the body names nobody."""

GREEN = ("success", "passed")
RED = ("failure", "failed", "error", "timed_out", "unstable")
NEITHER = ("cancelled", "canceled", "aborted", "skipped", "neutral")

_PROVIDER = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _signing.require_secret(secrets, provider=GENERIC)
    if "webhook-signature" in request.headers:
        return _signing.verify_standard(
            request.headers, body=request.body, secrets=known, now=request.received_at
        )
    given = request.headers.get("x-hub-signature-256", "")
    if not given:
        raise BadSignature(
            "sign the body: webhook-id, webhook-timestamp and webhook-signature, or"
            " X-Hub-Signature-256"
        )
    if not _signing.hex_signed(
        given, message=request.body, secrets=known, schemes={"sha256": "sha256"}
    ):
        raise BadSignature("X-Hub-Signature-256 is not of a secret known here")
    return _signing.delivery_id("", body=request.body)


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body = _wire.Fields(payload)
    conclusion = body.optional("conclusion", limit=40).lower() or "failure"
    facts = _facts(body, request=request)
    if conclusion in GREEN:
        return [_results.passed(facts, log=body.raw("errorLog") or None)]
    if conclusion in RED:
        return [_failed(facts, body, conclusion=conclusion)]
    if conclusion in NEITHER:
        return [Ignored(reason=f"{facts.job}: {conclusion} is neither red nor green")]
    raise body.bad("conclusion", f"one of {', '.join(GREEN + RED + NEITHER)} is expected")


def _failed(facts: JobFacts, body: _wire.Fields, *, conclusion: str) -> Result:
    return _results.failed(
        facts,
        log=body.raw("errorLog") or None,
        step=body.optional("step"),
        command=body.optional("command", limit=4_000),
        error_type=body.optional("errorType"),
        conclusion=conclusion,
    )


def _facts(body: _wire.Fields, *, request: RawRequest) -> JobFacts:
    repository = body.repository("repository")
    head = body.repository("headRepository") if "headRepository" in body else ""
    facts = JobFacts(
        execution=_execution(body, request=request),
        repository=repository,
        branch=body.branch("branch"),
        commit=body.commit("commitSha"),
        job=body.optional("job") or "build",
        pipeline_url=_pipeline_url(body),
        base_branch=body.branch("baseBranch"),
        fork=bool(head) and head != repository,
        head_repository="" if head == repository else head,
        definition=body.optional("workflow"),
        change=body.maybe_ident("change"),
        finished_at=body.moment("finishedAt"),
    )
    return _refs.tagged(facts, body.optional("tag", limit=250))


def _execution(body: _wire.Fields, *, request: RawRequest) -> ExecutionRef:
    """The sender's job run where it names one: then it is the same one the provider's own webhook
    speaks of.
    """
    provider = body.optional("provider", limit=40).lower() or GENERIC
    if not _PROVIDER.fullmatch(provider):
        raise body.bad("provider", "a name of letters, digits, dashes and underscores is expected")
    run = (
        body.ident("executionId")
        if "executionId" in body
        else f"delivery:{_delivery(body, request=request)}"
    )
    return ExecutionRef(
        provider=provider,
        host=providers.host_of_ids(provider) or _wire.host_of(body.raw("pipelineUrl")),
        job_run_id=run,
    )


def _delivery(body: _wire.Fields, *, request: RawRequest) -> str:
    given = (
        body.ident("deliveryId") if "deliveryId" in body else request.headers.get("webhook-id", "")
    )
    return _signing.delivery_id(given, body=request.body)


def _pipeline_url(body: _wire.Fields) -> str:
    given = body.optional("pipelineUrl", limit=2_000)
    if given and not body.link("pipelineUrl"):
        raise body.bad("pipelineUrl", "an http(s) URL is expected")
    return given
