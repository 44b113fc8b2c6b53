"""`kill -9` anywhere in a healing: after a restart it ends as it would have, once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cihealing.adapters.sandbox.choice import trouble_with
from cihealing.adapters.sandbox.toolchain import toolchain
from cihealing.failpoints import NAMES

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(trouble_with(toolchain({})) is not None, reason="bubblewrap does not work here")


def heal(data: Path, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV", "LANG") if name in os.environ}
    environment = {**kept, "CI_HEALING_DATA_DIR": str(data), **({"CI_HEALING_FAILPOINT": failpoint} if failpoint else {})}
    return subprocess.run(
        [sys.executable, "-m", "tests.faults.heal"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False
    )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def merges(data: Path) -> int:
    log = subprocess.run(
        ["git", "-C", str(data / "origin.git"), "log", "--format=%B", "feature"], check=True, capture_output=True, text=True
    )
    return log.stdout.count("Cihealing-Run:")


def check(data: Path, end: dict[str, Any]) -> None:
    assert (end["status"], end["resolution"], end["reason"]) == ("resolved", "merged", "")
    assert end["tags"].count("attempt.started.v1") <= 3
    assert end["tags"].count("change.published.v1") == end["tags"].count("run.resolved.v1") == 1
    assert merges(data) == 1
    assert end["faults"] == []
    assert end["rebuilt"]
    assert (end["deliveries"], end["executions"]) == (1, 1)


def kill(data: Path, failpoint: str) -> None:
    killed = heal(data, failpoint)
    assert killed.returncode == -signal.SIGKILL, f"{failpoint} was never passed: {killed.stdout[-500:]}{killed.stderr[-500:]}"


def test_one_healing_killed_at_every_failpoint_ends_as_it_would_have(tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        # A later pass for each next one: the same effect is not killed five times, which would rightly give it up.
        kill(tmp_path, name if name.startswith(("receive", "publish")) else f"{name}:{1 + number % 3}")
    check(tmp_path, told(heal(tmp_path)))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_kill_at_this_failpoint_alone_changes_nothing(tmp_path: Path, name: str) -> None:
    kill(tmp_path, name)
    check(tmp_path, told(heal(tmp_path)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["handle.before_append:9", "handle.before_commit:17", "handle.after_commit:20", "capability.after:14", "sandbox.after_run:11"]
)
def test_a_kill_in_the_middle_of_the_proof_changes_nothing(tmp_path: Path, name: str) -> None:
    kill(tmp_path, name)
    check(tmp_path, told(heal(tmp_path)))
