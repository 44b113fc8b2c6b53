"""How much the ASGI process takes on at once: requests on threads, and bytes of bodies.

Requests wait their turn after their bodies have come, so that a slow sender holds up nobody;
`/healthz` and `/readyz` never wait, and a stream gives its place back as soon as it begins.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

FREE = ("/healthz", "/readyz")
SMALL = 64 * 1024
"""Bytes of a body that need no room: large ones hold up no sign-in and no ordinary delivery."""
PATIENCE = 30.0
"""Seconds a request waits for its turn."""


class Busy(Exception):
    """There is too much to do; the message says of what."""


class Gate:
    """What is being taken on. `requests` at once, `size` bytes of bodies at once."""

    def __init__(self, *, requests: int, size: int) -> None:
        self.turns = asyncio.Semaphore(requests)
        self.left = size

    def application(self, inner: Application) -> Application:
        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] in FREE:
                return await inner(scope, receive, send)
            visit = RequestShare(self, receive, send)
            try:
                return await inner(scope, visit.receive, visit.send)
            except Busy as busy:
                return await visit.refuse(str(busy))
            finally:
                visit.leave()

        return gated


class RequestShare:
    """One request's share."""

    def __init__(self, gate: Gate, receive: Receive, send: Send) -> None:
        self.gate, self._receive, self._send = gate, receive, send
        self.came = self.size = 0
        self.turn = self.asked = self.begun = False

    async def receive(self) -> Mapping[str, Any]:
        """Raises Busy."""
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        self.came += len(message.get("body", b""))
        more = max(0, self.came - SMALL) - self.size
        if more > self.gate.left:
            raise Busy("Too many large bodies are being taken")
        self.gate.left -= more
        self.size += more
        if not message.get("more_body", False) and not self.asked:
            self.asked = True
            await self.wait()
        return message

    async def wait(self) -> None:
        try:
            await asyncio.wait_for(self.gate.turns.acquire(), PATIENCE)
        except TimeoutError:
            raise Busy("Too many requests are being worked on") from None
        self.turn = True

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            # The work is done; a client that takes no answer holds up nobody but itself.
            self.leave()
        await self._send(message)

    def leave(self) -> None:
        if self.turn:
            self.turn = False
            self.gate.turns.release()
        self.gate.left += self.size
        self.size = 0

    async def refuse(self, title: str) -> None:
        if self.begun:
            return
        told = {
            "type": "urn:cihealing:problem:busy",
            "title": title,
            "status": 503,
            "detail": "Try again in a few seconds.",
        }
        kind, after = (b"content-type", b"application/problem+json"), (b"retry-after", b"5")
        headers = [kind, after, (b"cache-control", b"no-store"), (b"connection", b"close")]
        await self._send({"type": "http.response.start", "status": 503, "headers": headers})
        await self._send({"type": "http.response.body", "body": json.dumps(told).encode()})
