"""Django middleware from two functions: what is done to a request before it is answered, and to its
answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

Answering = Callable[[HttpRequest], Any]


def nothing(request: HttpRequest) -> None:
    """Nothing is done."""


def unchanged(answer: HttpResponseBase) -> HttpResponseBase:
    return answer


def around(
    *,
    before: Callable[[HttpRequest], None] = nothing,
    after: Callable[[HttpResponseBase], HttpResponseBase] = unchanged,
) -> Callable[[Answering], Answering]:
    """A middleware for both kinds of server. Neither function may wait for anything."""

    def middleware(get_response: Answering) -> Answering:
        if iscoroutinefunction(get_response):

            async def later(request: HttpRequest) -> HttpResponseBase:
                before(request)
                return after(await get_response(request))

            return later

        def now(request: HttpRequest) -> HttpResponseBase:
            before(request)
            return after(get_response(request))

        return now

    wrapped: Callable[[Answering], Answering] = sync_and_async_middleware(middleware)
    return wrapped
