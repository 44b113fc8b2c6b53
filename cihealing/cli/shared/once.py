"""A web server for one answer: a page whose form leads to another site, and the address that site
sends the browser back to.
"""

from __future__ import annotations

import hmac
import html
import json
import secrets
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>cihealing</title>
<link rel="icon" href="data:,">
"""
PAGE = f"""{HEAD}
<body style="font: 16px/1.5 system-ui; max-width: 40rem; margin: 3rem auto; padding: 0 1rem">
<h1>Connect cihealing to GitHub</h1>
<p>GitHub shows the App before it makes it. It asks for:</p><ul>{{reasons}}</ul>
<form method="post" action="{{action}}"><input type="hidden" name="manifest" value="{{manifest}}">
<button>Go on at GitHub</button></form>"""
DONE = f"""{HEAD}<body style="font: 16px/1.5 system-ui; max-width: 40rem; margin: 3rem auto">
<h1>{{said}}</h1><p>Go back to the terminal.</p>"""


class Once:
    """Serves on 127.0.0.1 until the code has come. `state` ties the answer to this question."""

    def __init__(self, *, port: int = 0) -> None:
        self.state = secrets.token_urlsafe(24)
        self.code = ""
        self.arrived = threading.Event()
        self.page = b""
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def ask(self, manifest: Mapping[str, Any], *, action: str, reasons: Mapping[str, str]) -> None:
        items = "".join(
            f"<li><b>{html.escape(name)}</b>: {html.escape(reason)}</li>"
            for name, reason in reasons.items()
        )
        filled = PAGE.format(
            reasons=items, action=html.escape(action), manifest=html.escape(json.dumps(manifest))
        )
        self.page = filled.encode()
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()

    def wait(self, seconds: float) -> str:
        """The code; empty where none came in time. The server is gone afterwards."""
        self.arrived.wait(seconds)
        time.sleep(0.2)  # the browser still gets its last page
        self.server.shutdown()
        self.server.server_close()
        return self.code

    def take(self, query: str) -> str:
        """What to tell the browser that came back; the first right answer counts, and only that."""
        given = parse_qs(query)
        state, code = given.get("state", [""])[0], given.get("code", [""])[0]
        with self.lock:
            if (
                self.code
                or not code
                or not hmac.compare_digest(state.encode(), self.state.encode())
            ):
                return ""
            self.code = code
        self.arrived.set()
        return "GitHub has made the App."


def _handler(once: Once) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            # Another name for this address (DNS rebinding) is no way in.
            ours = self.headers.get("Host") == urlsplit(once.url).netloc
            said = once.take(parts.query) if ours and parts.path == "/callback" else ""
            if said:
                self._answer(200, DONE.format(said=html.escape(said)).encode())
            elif ours and parts.path == "/":
                self._answer(200, once.page)
            else:
                self._answer(404, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("X-Frame-Options", "DENY")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """The path holds the code."""

    return Handler
