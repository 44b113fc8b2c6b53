"""A Slack that keeps its messages, over HTTP: chat.postMessage, chat.update, conversations.history
and an incoming webhook.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Instead of the usual answer. `done`: the work is done all the same; `silent`: no answer
    comes, the connection is closed.
    """

    status: int = 200
    body: str = '{"ok": true}'
    headers: Mapping[str, str] = field(default_factory=dict)
    done: bool = False
    silent: bool = False


def refusing(error: str) -> Reply:
    return Reply(body=json.dumps({"ok": False, "error": error}))


class FakeSlack:
    """`scripted[method]` is a list of replies for its next calls; None in it: the usual one."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.messages: list[dict[str, Any]] = []
        self.scripted: dict[str, list[Reply | None]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def settings(self) -> dict[str, str]:
        return {
            "CI_HEALING_SLACK_BOT_TOKEN": "xoxb-1-secret-token",
            "CI_HEALING_SLACK_CHANNEL": "C1",
            "CI_HEALING_SLACK_API_URL": f"{self.url}/api/",
        }

    @property
    def posted(self) -> list[dict[str, Any]]:
        """Messages that stand in the channel, threads left out."""
        return [message for message in self.messages if not message.get("thread_ts")]

    def made(self, method: str) -> int:
        return sum(name == method for name, _ in self.calls)

    def __enter__(self) -> FakeSlack:
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

    def answer(self, method: str, body: dict[str, Any]) -> Reply:
        with self._lock:
            self.calls.append((method, body))
            waiting = self.scripted.get(method, [])
            reply = waiting.pop(0) if waiting else None
            if reply is None or reply.done:
                done = Reply(
                    body=json.dumps(WORK[method](self, body)) if method != "webhook" else "ok"
                )
                if method == "webhook":
                    self.messages.append(body)
                return reply or done
            return reply

    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        ts = f"{1700000000 + len(self.messages)}.000100"
        self.messages.append({**body, "ts": ts})
        return {"ok": True, "channel": body["channel"], "ts": ts, "message": {"text": body["text"]}}

    def update(self, body: dict[str, Any]) -> dict[str, Any]:
        for message in self.messages:
            if message["ts"] == body["ts"]:
                message.update(text=body["text"], blocks=body["blocks"])
                return {"ok": True, "channel": body["channel"], "ts": body["ts"]}
        return {"ok": False, "error": "message_not_found"}

    def history(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "messages": list(reversed(self.posted))[: int(body.get("limit", 100))]}


WORK: Mapping[str, Callable[[FakeSlack, dict[str, Any]], dict[str, Any]]] = {
    "chat.postMessage": FakeSlack.post,
    "chat.update": FakeSlack.update,
    "conversations.history": FakeSlack.history,
    "webhook": lambda slack, body: {},
    "auth.test": lambda slack, body: {"ok": True, "user": "cihealing", "bot_id": "B1"},
}


def _handler(slack: FakeSlack) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"] or 0)) or "{}")
            method = (
                "webhook" if self.path.startswith("/services/") else self.path.rpartition("/")[2]
            )
            reply = slack.answer(method, body)
            if reply.silent:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {"content-type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    return Handler
