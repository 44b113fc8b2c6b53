"""CircleCI outbound webhooks: job-completed, workflow-completed.

Source: CircleCI docs, 'Outbound webhooks' > 'Validate webhooks' and 'Outbound webhooks reference'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cihealing.domain.values import Ignored, Result
from cihealing.ports import BadSignature, RawRequest
from cihealing.providers.circleci.results import facts_of, name, result_of
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _signing.require_secret(secrets, provider=name)
    given = _signing.required_header(request.headers, "circleci-signature")
    if not _signing.hex_signed(
        given, message=request.body, secrets=known, schemes={"v1": "sha256"}
    ):
        raise BadSignature("circleci-signature is not of a secret known here")
    # The event's own id stands in the body alone, and a retry sends the same body.
    return _signing.delivery_id("", body=request.body)


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body = _wire.Fields(payload)
    match body.text("type"):
        case "job-completed":
            return [_job(body)]
        case "workflow-completed":
            return [_workflow(body)]
        case kind:
            return [Ignored(reason=f"{kind} events say nothing of a job's result")]


def _job(body: _wire.Fields) -> Result:
    job = body.child("job")
    facts = facts_of(body, job, run=job.ident("id"), coarse=False)
    return result_of(facts, status=job.label("status"))


def _workflow(body: _wire.Fields) -> Result:
    workflow = body.child("workflow")
    facts = facts_of(body, workflow, run=f"workflow-{workflow.ident('id')}", coarse=True)
    return result_of(facts, status=workflow.label("status"))
