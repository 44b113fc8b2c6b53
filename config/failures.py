"""What a request is answered that ended in an exception: one place for the API, the webhooks, the
pages and the streams.

Django hands every exception that no view expected to `server_error`, whichever layer raised it;
what fails before Django is reached (a body that could not be spooled) comes to `answered`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error as page_of_500

from cihealing import outages
from cihealing.outages import Outage
from cihealing.store import StreamMoved
from cihealing.web.api import errors
from cihealing.web.problems import problem

FOR_PROGRAMS = ("/api/", "/healthz", "/readyz", "/metrics")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def server_error(request: HttpRequest) -> HttpResponse:
    """Called while the exception is being handled. An outage is 503 or 507 with Retry-After;
    anything else is a fault of ours: 500.
    """
    error = sys.exc_info()[1]
    outage = (
        outages.BUSY if isinstance(error, StreamMoved) else outages.meet(error) if error else None
    )
    if outage:
        answer = render_outage(outage, path=request.path)
        # It was told in a line; Django would add a traceback for each request.
        answer._has_been_logged = True  # type: ignore[attr-defined]
        return answer
    if not request.path.startswith(FOR_PROGRAMS):
        return page_of_500(request)
    expected = errors.handle(error) if isinstance(error, Exception) else None
    detail = "It was recorded in the service's log; no run was lost by it."
    return expected or problem(
        "internal-error", status=500, title="Something broke here", detail=detail
    )


def render_outage(outage: Outage, *, path: str) -> HttpResponse:
    """The answer. Nothing was stored: who sent something sends it again. Neither form asks the
    database for anything.
    """
    detail = f"Nothing was stored or changed. Try again in {outage.retry_after} s."
    if path.startswith(FOR_PROGRAMS):
        answer: HttpResponse = problem(
            outage.kind, status=outage.status, title=outage.title, detail=detail
        )
    else:
        answer = HttpResponse(
            render_to_string("503.html", {"outage": outage}), status=outage.status
        )
    answer["Retry-After"] = str(outage.retry_after)
    answer["Cache-Control"] = "no-store"
    return answer


def answered(inner: Application) -> Application:
    """`inner`, but an outage before Django's own handling is answered as one, as long as nothing
    was answered yet.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noticed(message: Mapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await inner(scope, receive, noticed)
        except Exception as error:
            outage = outages.meet(error)
            if outage is None or begun or scope["type"] != "http":
                raise
            await sent(render_outage(outage, path=scope["path"]), send)

    return application


async def sent(answer: HttpResponse, send: Send) -> None:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.items()
    ]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})
