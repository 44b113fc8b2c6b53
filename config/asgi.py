"""ASGI entry point: everything in the embedded size, the event streams in production."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

from django.core.asgi import get_asgi_application

from cihealing.web import secret_paths
from config.gate import Application, Gate, Receive, Scope, Send

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# WhiteNoise answers with small synchronous files; Django's advice to make them asynchronous would
# be logged for each.
warnings.filterwarnings(
    "ignore", message="StreamingHttpResponse must consume synchronous iterators"
)

TOO_LARGE = (
    b'{"type":"urn:cihealing:problem:too-large","title":"The body is too large","status":413,'
    b'"detail":"CI_HEALING_MAX_BODY says how much is taken; send the end of the log."}'
)


WEBHOOKS, ELSEWHERE = "/api/v1/ci-healing/webhook", 1024 * 1024
"""Where logs come in, and bytes of a body anywhere else."""


class BodyOverLimit(Exception):
    pass


def bounded(inner: Application, *, limit: int) -> Application:
    """`inner`, but a request body above `limit` bytes, away from the webhooks above a megabyte, is
    answered 413 while it arrives.

    Django's ASGI handler would first spool a body of any size to disk and only then ask a view
    whether it wants it.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await inner(scope, receive, send)
        most = limit if scope.get("path", "").startswith(WEBHOOKS) else min(limit, ELSEWHERE)
        if declared_length(scope) > most:
            return await refuse(send)
        seen = 0

        async def counted() -> Mapping[str, Any]:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise BodyOverLimit
            return message

        try:
            return await inner(scope, counted, send)
        except BodyOverLimit:
            return await refuse(send)

    return application


def discreet(inner: Application) -> Application:
    """`inner`, but no path it or the server's own log gets to see holds a webhook's secret."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            secret_paths.hide_in_scope(scope)
        await inner(scope, receive, send)

    return application


def declared_length(scope: Scope) -> int:
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(values[0]) if values and values[0].isdigit() and len(values[0]) < 20 else 0


async def refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": TOO_LARGE})


def build() -> Application:
    inner = get_asgi_application()
    from django.conf import settings

    from config.failures import answered

    told = settings.CI_HEALING
    gate = Gate(requests=told["MAX_REQUESTS"], size=told["MAX_BODIES"])
    return discreet(gate.application(answered(bounded(inner, limit=told["MAX_BODY"]))))


application = build()
