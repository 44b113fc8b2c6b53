"""Errors over HTTP as RFC 9457 problem details, with a stable `type` programs may compare."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse

from cihealing.secrecy import masked, masked_in

NAMESPACE = "urn:cihealing:problem:"


def problem(kind: str, *, status: int, title: str, detail: str = "", **more: Any) -> JsonResponse:
    """`kind` is the stable end of `type`, in kebab-case; `more` are extension members. `detail`
    says what to do about it.

    No secret of the service is in it, whatever error it quotes.
    """
    body = {
        "type": NAMESPACE + kind,
        "title": title,
        "status": status,
        "detail": masked(detail),
        **masked_in(more),
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")
