"""Who makes room where there are as many connections as may be, and who takes no answer. The other
time-outs are asked over a started service (tests/integration).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from cihealing import connections
from cihealing.connections import Bounds, kind

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answering(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body"})


async def reading(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass


async def without_end(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(64):
        await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})


async def never(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def served(
    application: Any, most: int, *, state: ServerState | None = None, **times: float
) -> AsyncIterator[int]:
    bounds = Bounds(**{"header": 60, **times}, connections=most)
    config = uvicorn.Config(application, http=kind(bounds), lifespan="off", log_config=None)
    config.load()
    state = state or ServerState()

    def made() -> Any:
        return config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg]

    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def come(port: int, text: bytes = b"") -> Client:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    await asyncio.sleep(0.05)
    return reader, writer


def test_the_one_that_waited_longest_makes_room() -> None:
    async def main() -> None:
        async with served(answering, 3) as port:
            silent = [await come(port, text) for text in (b"", b"GET / HT", b"")]
            reader, _ = await come(port, REQUEST)
            assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 200")
            assert [other.at_eof() or other.exception() is not None for other, _ in silent] == [
                True,
                False,
                False,
            ]

    asyncio.run(main())


def test_requests_that_are_worked_on_make_none() -> None:
    async def main() -> None:
        async with served(never, 2) as port:
            busy = [await come(port, REQUEST) for _ in range(2)]
            reader, _ = await come(port)
            assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 503")
            assert not any(other.at_eof() for other, _ in busy)

    asyncio.run(main())


def test_who_takes_nothing_of_an_answer_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOOK", 0.05)

    async def main() -> None:
        async with watched(without_end, write=0.3) as (port, state):
            raw = socket.create_connection(("127.0.0.1", port))
            raw.sendall(REQUEST)
            await until(lambda: bool(state.connections))
            await until(lambda: not state.connections)
            raw.close()

    asyncio.run(main())


def test_a_body_that_begins_fast_earns_no_long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOOK", 0.05)
    begun = REQUEST.replace(b"GET", b"POST")[:-2] + b"Content-Length: 200000\r\n\r\n"

    async def main() -> None:
        async with watched(reading, body=0.3) as (port, _):
            reader, _ = await come(port, begun + b"x" * 160_000)
            said = await asyncio.wait_for(reader.readline(), 10)
            assert said.startswith(b"HTTP/1.1 408")

    asyncio.run(main())


def test_nor_does_one_that_comes_little_by_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 4 KB/s, where 8 are asked and 2 are borne with for a while."""
    monkeypatch.setattr(connections, "LOOK", 0.05)
    begun = REQUEST.replace(b"GET", b"POST")[:-2] + b"Content-Length: 200000\r\n\r\n"

    async def main() -> None:
        async with watched(reading, body=0.3) as (port, _):
            reader, writer = await come(port, begun)
            said = asyncio.create_task(reader.readline())
            async with asyncio.timeout(10):
                while not said.done():
                    writer.write(b"x" * 200)
                    await asyncio.sleep(0.05)
            assert said.result().startswith(b"HTTP/1.1 408")

    asyncio.run(main())


@asynccontextmanager
async def watched(application: Any, **times: float) -> AsyncIterator[tuple[int, ServerState]]:
    state = ServerState()
    async with served(application, 2, state=state, **times) as port:
        watching = asyncio.create_task(connections.watch(state.connections))
        yield port, state
        watching.cancel()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.02)
