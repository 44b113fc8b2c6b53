"""Who makes room where there are as many connections as may be. The time-outs are asked over a
started service (tests/integration).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from cihealing.connections import Bounds, kind

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answering(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body"})


async def never(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def served(application: Any, most: int) -> AsyncIterator[int]:
    config = uvicorn.Config(
        application, http=kind(Bounds(header=60, connections=most)), lifespan="off", log_config=None
    )
    config.load()
    state = ServerState()

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
