"""Nothing that the service says of its runs is kept by a browser or a proxy: every answer is `no-store`, but static files.

They are answered before this middleware is reached. A page may say something stricter itself, a path of the API may not say less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware


def marked(answer: HttpResponseBase) -> HttpResponseBase:
    said = answer.headers.get("Cache-Control", "")
    if "no-store" not in said:
        # A stream says `no-transform` besides: a proxy that packs it would hold frames back.
        answer.headers["Cache-Control"] = "no-store, no-transform" if "no-transform" in said else "no-store"
    return answer


@sync_and_async_middleware
def middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    if iscoroutinefunction(get_response):

        async def later(request: HttpRequest) -> HttpResponseBase:
            return marked(await get_response(request))

        return later
    return lambda request: marked(get_response(request))
