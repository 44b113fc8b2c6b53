"""What the fakes of forges share: HTTP on loopback, the calls that were made, answers that are
scripted.

    fake.script("POST", "/pulls", Reply(status=502))        # the next such call
    # The work is done, the answer is lost:
    fake.script("PUT", "/merge", Reply(silent=True, done=True))
    fake.made("PUT", "/merge")
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Instead of the usual answer. `done`: the work is done all the same; `silent`: the connection
    closes without an answer.
    """

    status: int = 500
    body: str = '{"message": "it broke"}'
    headers: Mapping[str, str] = field(default_factory=dict)
    done: bool = False
    silent: bool = False


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def sha_of(*parts: Any) -> str:
    return hashlib.sha1(
        json.dumps(parts, sort_keys=True).encode(), usedforsecurity=False
    ).hexdigest()


def replied(status: int, value: Any) -> Reply:
    return Reply(status=status, body=json.dumps(value))


class FakeForge:
    """A forge says in `usual` what it answers; paths come as they were sent, escaped."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.scripted: list[tuple[str, str, Reply]] = []
        self.wrong: list[str] = []
        """Questions and answers that the forge does not describe so."""
        self.headers: dict[str, str] = {}
        """Of every answer."""
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, verb: str, path: str, *replies: Reply) -> None:
        self.scripted += [(verb, path, reply) for reply in replies]

    def made(self, verb: str, path: str) -> int:
        return sum(v == verb and re.search(path, p) is not None for v, p, _ in self.calls)

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        if kind is None:
            assert self.wrong == [], self.wrong[:3]

    def answer(self, verb: str, path: str, query: dict[str, str], body: Any) -> Reply:
        with self.lock:
            self.calls.append((verb, path, body))
            scripted = next(
                (s for s in self.scripted if s[0] == verb and re.search(s[1], path)), None
            )
            if scripted:
                self.scripted.remove(scripted)
                if not scripted[2].done:
                    return scripted[2]
            usual = self.usual(verb, path, query, body)
            return scripted[2] if scripted else usual

    def usual(self, verb: str, path: str, query: dict[str, str], body: Any) -> Reply:
        raise NotImplementedError


def _handler(fake: FakeForge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            reply = fake.answer(self.command, parts.path, query, body)
            if reply.silent:
                self.close_connection = True
                return
            content = reply.body.encode()
            self.send_response(reply.status)
            usual = {"content-type": "application/json", "content-length": str(len(content))}
            for name, value in {**usual, **fake.headers, **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    return Handler
