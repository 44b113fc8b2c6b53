"""A provider's API over a mock transport: routes that answer, and what was asked of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from cihealing.domain.values import Result
from cihealing.ports import TransientError
from cihealing.providers.shared import outbound as _outbound

Route = (
    httpx.Response | Callable[[httpx.Request], httpx.Response] | dict[str, Any] | list[Any] | str
)


class Api:
    """`METHOD /path` to what is answered: a body, a response, or what makes one. What has no route
    is 404.
    """

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self.routes = dict(routes)
        self.seen: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        route = self.routes.get(
            f"{request.method} {request.url.raw_path.decode().partition('?')[0]}"
        )
        if callable(route):
            return route(request)
        if isinstance(route, str):
            return httpx.Response(200, text=route)
        if isinstance(route, dict | list):
            return httpx.Response(200, json=route)
        return route or httpx.Response(404, json={"message": "not found"})

    @property
    def written(self) -> list[str]:
        """The requests that change something."""
        return [
            f"{one.method} {one.url.raw_path.decode()}" for one in self.seen if one.method != "GET"
        ]


def slow(_request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow")


def ended(look: Callable[[], Result | None]) -> Result | None:
    """The result; None where the adapter says that it is to look again soon."""
    try:
        found = look()
    except TransientError as error:
        if error.retry_after != _outbound.POLL:
            raise
        return None
    assert found is not None
    return found


PASSING = [
    pytest.param(httpx.Response(429, headers={"retry-after": "17"}), 17.0, id="429"),
    pytest.param(httpx.Response(503), None, id="503"),
    pytest.param(httpx.Response(500), None, id="500"),
    pytest.param(slow, None, id="time-out"),
    pytest.param(httpx.Response(403, headers={"retry-after": "9"}), 9.0, id="403 with a time"),
]
STAYING = [401, 403, 404, 409, 422]
