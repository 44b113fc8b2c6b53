"""How much the process takes on at once: threads and bytes, and who need not wait for either."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from config import asgi, gate
from config.gate import Gate, Receive, Scope, Send


class Request:
    """One request as a server would hand it on; `sent` is what was answered."""

    def __init__(self, *parts: bytes, path: str = "/", stalls: bool = False) -> None:
        self.parts, self.scope, self.stalls = (
            list(parts or (b"",)),
            {"type": "http", "path": path},
            stalls,
        )
        self.sent = list[Mapping[str, Any]]()

    async def receive(self) -> Mapping[str, Any]:
        if not self.parts or (self.stalls and len(self.parts) == 1):
            await asyncio.Event().wait()
        return {"type": "http.request", "body": self.parts.pop(0), "more_body": bool(self.parts)}

    async def send(self, message: Mapping[str, Any]) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


class Work:
    """An application whose answers wait for `open`; counts how many are at it."""

    def __init__(self, kind: bytes = b"text/html") -> None:
        self.open, self.at_it, self.most, self.kind = asyncio.Event(), 0, 0, kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        self.at_it += 1
        self.most = max(self.most, self.at_it)
        if self.kind == b"text/event-stream":
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"Content-Type", self.kind)],
                }
            )
        if scope["path"] != "/healthz":
            await self.open.wait()
        self.at_it -= 1
        if self.kind != b"text/event-stream":
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"Content-Type", self.kind)],
                }
            )
        await send({"type": "http.response.body", "body": b""})


async def begun(gate: Gate, work: Work, requests: list[Request]) -> list[asyncio.Task[None]]:
    application = gate.application(work)
    tasks = [
        asyncio.create_task(application(request.scope, request.receive, request.send))
        for request in requests
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    return tasks


def test_no_more_requests_are_worked_on_than_may_and_all_get_their_turn() -> None:
    async def main() -> None:
        work, requests = Work(), [Request(b"a", b"b") for _ in range(7)]
        tasks = await begun(Gate(requests=2, size=100), work, requests)
        assert work.at_it == 2
        work.open.set()
        await asyncio.gather(*tasks)
        assert (work.most, {request.status for request in requests}) == (2, {200})

    asyncio.run(main())


def test_a_body_that_does_not_come_takes_no_turn_and_health_waits_for_none() -> None:
    async def main() -> None:
        work, bounds = Work(), Gate(requests=1, size=100)
        slow = await begun(bounds, work, [Request(b"a", b"b", stalls=True) for _ in range(5)])
        await begun(bounds, work, [Request()])
        assert work.at_it == 1
        health = Request(path="/healthz")
        await begun(bounds, work, [health])
        assert health.status == 200
        for task in slow:
            task.cancel()

    asyncio.run(main())


def test_a_stream_gives_its_turn_back_as_soon_as_it_begins() -> None:
    async def main() -> None:
        work = Work(b"text/event-stream")
        await begun(Gate(requests=1, size=100), work, [Request() for _ in range(5)])
        assert work.at_it == 5
        work.open.set()

    asyncio.run(main())


def test_who_waits_too_long_for_a_turn_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "PATIENCE", 0.05)

    async def main() -> None:
        work, late = Work(), Request()
        bounds = Gate(requests=1, size=100)
        await begun(bounds, work, [Request()])
        (task,) = await begun(bounds, work, [late])
        await task
        refused(late)

    asyncio.run(main())


def refused(request: Request) -> None:
    start, body = request.sent
    headers = dict(start["headers"])
    assert (start["status"], headers[b"retry-after"]) == (503, b"5")
    assert headers[b"cache-control"] == b"no-store"
    assert json.loads(body["body"])["type"] == "urn:cihealing:problem:busy"


def test_the_bytes_of_all_bodies_are_bounded_and_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "SMALL", 0)

    async def main() -> None:
        work, bounds = Work(), Gate(requests=9, size=100)
        tasks = await begun(bounds, work, [Request(b"x" * 40, b"x" * 40)])
        too_much = Request(b"x" * 15, b"x" * 15)
        await asyncio.gather(*await begun(bounds, work, [too_much]))
        refused(too_much)
        tasks += await begun(bounds, work, [Request(b"x" * 20)])
        work.open.set()
        await asyncio.gather(*tasks)
        assert (bounds.left, bounds.turns._value) == (100, 9)

    asyncio.run(main())


def test_small_bodies_need_no_room() -> None:
    async def main() -> None:
        work, bounds = Work(), Gate(requests=9, size=0)
        work.open.set()
        small = Request(b"x" * 40_000)
        await asyncio.gather(*await begun(bounds, work, [small]))
        assert small.status == 200

    asyncio.run(main())


def test_the_service_stands_behind_it(settings: Any) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "MAX_BODIES": 1024}
    request = Request(b"x" * 100_000, path="/api/v1/ci-healing/webhook")
    scope = {**request.scope, "method": "POST", "query_string": b"", "headers": []}
    asyncio.run(asgi.build()(scope, request.receive, request.send))
    refused(request)
