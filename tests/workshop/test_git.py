"""No git goes on working for a service that is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cihealing.workshop import process
from cihealing.workshop.git import LOCAL_TIMEOUT, REMOTE_TIMEOUT, Git, GitFailed

ROOT = Path(__file__).parents[2]
CALLS = {
    "by the main thread": "call()",
    "by a thread": "thread = threading.Thread(target=call); thread.start(); thread.join()",
}


def until(true: Callable[[], bool], *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the git on PATH, which sleeps, writes its process id first."""
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(
        f"#!/bin/sh\necho $$ >'{tmp_path}/unfinished'\n"
        f"mv '{tmp_path}/unfinished' '{tmp_path}/pid'\nexec sleep 300\n"
    )
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    return tmp_path / "pid"


@pytest.mark.parametrize("timeout", [LOCAL_TIMEOUT, REMOTE_TIMEOUT], ids=["short", "remote"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_git_ends_with_a_worker_that_is_killed(told: Path, call: str, timeout: float) -> None:
    program = (
        "import threading\n"
        "from cihealing.workshop.git import Git\n"
        f"def call(): Git()('status', timeout={timeout})\n"
        f"{call}\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    try:
        assert until(told.exists, seconds=60)
        pid = int(told.read_text())
        assert lives(pid)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        assert until(lambda: not lives(pid), seconds=2)
    finally:
        worker.kill()


def test_git_does_not_start_for_a_worker_that_is_gone(
    told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it is killed between the start and the word to the kernel."""
    monkeypatch.setattr(process.os, "getpid", lambda: 1)
    with pytest.raises(GitFailed):
        Git()("status", timeout=5)
    assert not told.exists()


@pytest.mark.parametrize("tie", [("no-such-program",), ("false",)], ids=["none", "another"])
def test_where_nothing_can_tie_it_git_runs_untied(
    tie: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "TIE", tie)
    process._ties.cache_clear()
    try:
        assert process.tied(["git", "status"]) == ["git", "status"]
        assert Git()("--version").startswith("git version")
    finally:
        process._ties.cache_clear()
