"""Buildkite webhooks: job.finished. By signature (better) or by plain token.

Source: Buildkite docs, 'Webhooks' > 'Webhook signature' and 'Job events'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cihealing.domain.values import Ignored, Result
from cihealing.ports import BadSignature, RawRequest
from cihealing.providers.buildkite.results import job_result, name
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _signing.require_secret(secrets, provider=name)
    if "x-buildkite-signature" in request.headers:
        _verify_signature(request, known)
    else:
        _verify_token(request, known)
    # Buildkite names no delivery; a retry sends the same body, and each job's end has its own.
    return _signing.delivery_id("", body=request.body)


def _verify_signature(request: RawRequest, secrets: Sequence[str]) -> None:
    given = request.headers["x-buildkite-signature"]
    parts = dict(part.strip().partition("=")[::2] for part in given.split(",", 4)[:4])
    timestamp, signature = parts.get("timestamp", ""), parts.get("signature", "")
    _signing.fresh(
        timestamp, now=request.received_at, header="the timestamp of X-Buildkite-Signature"
    )
    signed = timestamp.encode() + b"." + request.body
    if not _signing.hex_signed(signature, message=signed, secrets=secrets, schemes={"": "sha256"}):
        raise BadSignature("X-Buildkite-Signature is not of a secret known here")


def _verify_token(request: RawRequest, secrets: Sequence[str]) -> None:
    given = request.headers.get("x-buildkite-token", "")
    if not given:
        raise BadSignature("X-Buildkite-Signature (or X-Buildkite-Token) is missing")
    if not _signing.one_of(given, secrets):
        raise BadSignature("X-Buildkite-Token is not a secret known here")


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body = _wire.Fields(payload)
    match body.text("event"):
        case "job.finished":
            return [job_result(body)]
        case "build.finished":
            # It names no job; where job.finished is sent too, the build would be a second report of
            # the same failure.
            return [
                Ignored(
                    reason=(
                        "build.finished is only noted: let Buildkite send job.finished, its jobs"
                        " report themselves"
                    )
                )
            ]
        case event:
            return [Ignored(reason=f"{event} events say nothing of a job's result")]
