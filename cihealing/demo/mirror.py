"""The artifact mirror of the infrastructure demo: a small HTTP server on loopback that is really
down until it is started.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

logger = logging.getLogger(__name__)

RATES = {"EUR/CHF": 0.9412, "EUR/GBP": 0.8437, "EUR/USD": 1.0852}


class Rates(BaseHTTPRequestHandler):
    """Answers `GET /rates/daily.json`."""

    def do_GET(self) -> None:
        known = self.path == "/rates/daily.json"
        body = json.dumps(RATES if known else {"error": "no such artifact"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        logger.debug(format, *args)


def chosen_port(root: Path) -> int:
    """The port the demo's repositories name: chosen once, free at that moment, and kept beside
    them.
    """
    kept = root / "mirror.port"
    if kept.exists():
        return int(kept.read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    root.mkdir(parents=True, exist_ok=True)
    kept.write_text(f"{port}\n")
    return port


def start(port: int) -> ThreadingHTTPServer | None:
    """Serve from a daemon thread until `shutdown()`; None, and a line in the log, where the port is
    taken.
    """
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Rates)
    except OSError as error:
        logger.warning(
            "demo: the artifact mirror cannot listen on port %d: %s", port, error.strerror
        )
        return None
    threading.Thread(target=server.serve_forever, name="artifact-mirror", daemon=True).start()
    return server
