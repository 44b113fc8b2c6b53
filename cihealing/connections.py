"""Connections of the embedded web server, none of which may stay without cause.

Who does not get on with a request (headers or a body that dribble, a connection that says nothing)
is hung up on; who takes nothing of an answer likewise; a request that is being worked on and a
stream are left alone. Where there are as many connections as may be, the one that has waited
longest without a request makes room, so that a person gets through however many others only hold
the line.
"""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

LOOK = 0.5
"""Seconds between two looks at who is late."""
PACE = 8 * 1024
"""Bytes of a body that give it another second."""
SLOWEST = PACE // 4
"""Bytes a second, of any stretch of a body as long as its time-out."""
QUEUE = 128
"""Connections the kernel may hold that were not accepted yet; as many may be accepted before one of
them is counted.
"""
PROBLEMS = {
    408: (
        "request-timeout",
        "Request Timeout",
        "The request did not come in time",
        "Send it again, without a break in it.",
    ),
    503: (
        "too-many-connections",
        "Service Unavailable",
        "Too many connections are open",
        "Try again in a few seconds.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Times in seconds (`EdgeSettings` says what they are of); numbers for one process."""

    header: float = 10.0
    idle: float = 5.0
    body: float = 20.0
    write: float = 60.0
    connections: int = 512
    queue: int = QUEUE


def descriptors() -> int:
    """How many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


def at_most(wanted: int, *, share: float) -> int:
    """`wanted`, but no more than a share of the file descriptors: at their end nothing works, not
    even the log.
    """
    return max(4, min(wanted, int(descriptors() * share)))


class Connection(H11Protocol):
    """One client. `bounds` are set by `kind`."""

    bounds = Bounds()
    came = 0
    """Bytes of the request's body."""
    lately = (0.0, 0)
    """When the present stretch of a body began, and how much had come by then."""
    stuck: float | None = None
    """Since when the client takes nothing."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since = self.loop.time()
        if len(self.connections) > self.bounds.connections:
            self.make_room()

    def make_room(self) -> None:
        """At the cost of the one that is longest without a request, or with an answer that it does
        not take.
        """
        others = (
            other
            for other in connections(self.connections)
            if other is not self and (other.waits or other.stuck is not None)
        )
        waiting = [other for other in others if not other.transport.is_closing()]
        if waiting:
            min(waiting, key=lambda other: other.since).transport.abort()
        else:
            self.refuse(503)

    @property
    def waits(self) -> bool:
        """Whether there is no request: none came yet, or the last one was answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def idle(self) -> bool:
        """Whether nothing came since the last answer: the server's own timer ends that."""
        return self.timeout_keep_alive_task is not None

    def data_received(self, data: bytes) -> None:
        if self.idle:
            self.since = self.loop.time()
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self.since, self.came = self.loop.time(), 0
            self.lately = (self.since, 0)
        self.came += len(data)

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self.stuck = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.stuck = None
        super().resume_writing()

    def look(self, now: float) -> None:
        """Hang up where it is late."""
        if self.transport.is_closing():
            if now - self.since > self.bounds.write + self.bounds.header:
                self.transport.abort()
        elif self.stuck is not None:
            if now - self.stuck > self.bounds.write:
                self.transport.abort()
        elif self.waits:
            if not self.idle and now - self.since > self.bounds.header:
                self.transport.abort()
        elif self.cycle.more_body and not self.flow.read_paused and self.dawdles(now):
            self.refuse(408)

    def dawdles(self, now: float) -> bool:
        """Whether the body takes too long in all, or came to a stop: a fast start earns no long
        wait.
        """
        if now - self.since > self.bounds.body + self.came / PACE:
            return True
        began, before = self.lately
        if now - began < self.bounds.body:
            return False
        self.lately = (now, self.came)
        return bool(self.came - before < SLOWEST * self.bounds.body)

    def refuse(self, status: int) -> None:
        """Say why and hang up; where an answer has begun, hang up alone."""
        if self.cycle is None or not self.cycle.response_started:
            self.transport.write(answer(status))
        self.since = self.loop.time()
        self.transport.close()


def answer(status: int) -> bytes:
    kind, reason, title, detail = PROBLEMS[status]
    body = json.dumps(
        {
            "type": f"urn:cihealing:problem:{kind}",
            "title": title,
            "status": status,
            "detail": detail,
        }
    ).encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/problem+json\r\ncontent-length:"
        f" {len(body)}\r\ncache-control: no-store\r\nretry-after: 5\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def connections(among: Iterable[Any]) -> list[Connection]:
    return [each for each in among if isinstance(each, Connection)]


def kind(bounds: Bounds) -> type[Connection]:
    """The class of a server's connections."""
    return type("Connection", (Connection,), {"bounds": bounds})


async def watch(among: set[Any]) -> None:
    """Look after all connections until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(LOOK)
        for connection in connections(among):
            connection.look(loop.time())
