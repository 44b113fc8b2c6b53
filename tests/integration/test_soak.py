"""The soak in small: the real service is killed while deliveries come in, and nothing is lost,
doubled or left open.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.integration.app import ROOT


def soaked(*words: str) -> dict[str, Any]:
    command = [sys.executable, "bench/soak.py", "--posts", "60", "--kills", "3", "--json", *words]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=1400, check=False
    )
    assert done.stdout, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def check(found: dict[str, Any]) -> None:
    assert {name: faults for name, faults in found["faults"].items() if faults} == {}
    assert found["kills"] == 3
    assert found["attached"], "no run attached to another one: the soak shows nothing about those"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_kills_of_the_whole_service_lose_nothing_and_leave_no_run_open() -> None:
    check(soaked())


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.timeout(1500)
@pytest.mark.skipif(
    not (os.environ.get("DATABASE_URL", "").startswith("postgres") and os.environ.get("REDIS_URL")),
    reason="DATABASE_URL and REDIS_URL name no PostgreSQL and Redis",
)
def test_nor_do_kills_of_web_worker_and_beat() -> None:
    check(soaked("--database", os.environ["DATABASE_URL"], "--redis", os.environ["REDIS_URL"]))
