"""The app as a process of its own, and Debian's Chromium in front of it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]


@dataclass(frozen=True)
class App:
    url: str
    runs: dict[str, str]
    environment: dict[str, str]

    def seed(self, *words: str) -> str:
        return call(self.environment, "-m", "tests.browser.seed", *words)


def call(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    if not CHROMIUM:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    port = free_port()
    own = {
        "CI_HEALING_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "CI_HEALING_SECRET_KEY": "k" * 50,
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    environment = {
        **{
            k: v for k, v in os.environ.items() if not k.startswith(("CI_HEALING_", "DATABASE_URL"))
        },
        **own,
    }
    call(environment, "manage.py", "migrate", "-v0")
    runs = json.loads(call(environment, "-m", "tests.browser.seed", "make"))
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "config.asgi:application",
        "--port",
        str(port),
        "--log-level",
        "warning",
        "--timeout-graceful-shutdown",
        "1",
    ]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/login")
            yield App(f"http://127.0.0.1:{port}", runs, environment)
        finally:
            server.terminate()


def wait_for(url: str) -> None:
    for _ in range(300):
        try:
            with urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} never answered")


@pytest.fixture(scope="module")
def chrome(app: App) -> Iterator[Browser]:
    """For one module only: a running Playwright loop would make Django refuse the database to the
    tests after it.
    """
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()
