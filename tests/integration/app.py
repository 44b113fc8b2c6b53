"""The real service as a process of its own: started, spoken to over HTTP, stopped or killed."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg

ROOT = Path(__file__).parents[2]
WEBHOOK = "/api/v1/ci-healing/webhook"


@dataclass
class App:
    data: Path
    url: str
    process: subprocess.Popen[str]

    @property
    def token(self) -> str:
        return (self.data / "api_token").read_text().strip()

    @property
    def secret(self) -> str:
        return (self.data / "webhook_secret").read_text().strip()

    def signed(self, body: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        raw = json.dumps(body).encode()
        mac = hmac.new(self.secret.encode(), raw, hashlib.sha256).hexdigest()
        return raw, {"X-Hub-Signature-256": f"sha256={mac}", "Content-Type": "application/json"}

    def post(self, body: dict[str, Any], *, client: httpx.Client | None = None) -> httpx.Response:
        raw, headers = self.signed(body)
        return (client or httpx).post(self.url + WEBHOOK, content=raw, headers=headers, timeout=60)

    def get(self, path: str) -> Any:
        answer = httpx.get(
            self.url + path, headers={"Authorization": f"Bearer {self.token}"}, timeout=60
        )
        answer.raise_for_status()
        return answer.json()

    def stop(self) -> float:
        """Seconds a clean stop took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return time.monotonic() - started


@contextmanager
def running(
    data: Path, *, database: str = "", below: Sequence[str] = (), **settings: str
) -> Iterator[App]:
    """`cihealing up --no-demo` on a free port, with this data directory; `below` is a command that
    starts the one behind it.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**kept, **settings, **({"DATABASE_URL": database} if database else {})}
    command = [
        *below,
        sys.executable,
        "-m",
        "cihealing",
        "up",
        "--no-demo",
        "--port",
        "0",
        "--data",
        str(data),
    ]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield App(data=data, url=url_of(process), process=process)
    finally:
        process.kill()
        process.wait()


def url_of(process: subprocess.Popen[str]) -> str:
    """Where it says it is up. It prints little, so its pipe never fills."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        found = re.search(r"is up: (http://\S+)", line)
        if found:
            return found[1]
    raise AssertionError(f"it did not start: {said[-2000:]}")


@contextmanager
def own_database(url: str, name: str) -> Iterator[str]:
    """A PostgreSQL database of this test's own beside the one `url` names; empty on SQLite."""
    if not url:
        yield ""
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
