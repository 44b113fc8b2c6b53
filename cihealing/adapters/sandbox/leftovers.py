"""Sandboxes that outlived their service: each carries a mark that names its owner, and without a living owner it is ended.

The kernel ends a sandbox with its service (parent death signal); one that is killed while it starts may slip through.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cihealing.adapters.sandbox.launch import MARK


def mark() -> str:
    """This process by pid and start time: a pid alone is used again."""
    return _mark_of(os.getpid())


@cache
def _mark_of(pid: int) -> str:
    return f"{pid}:{started(pid)}"


def started(pid: int) -> str:
    """Ticks since boot at which a process began; empty where there is none."""
    try:
        # The command name may hold spaces and parentheses: the fields that count come after the last one.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


def end_leftovers() -> int:
    """Kill every sandbox of this user (root: of all) whose owner is gone; how many processes that were. To be called at start."""
    found = [pid for pid, owner in marked() if not lives(owner)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def marked() -> Iterator[tuple[int, str]]:
    """(pid, mark) of bubblewrap's own processes; what runs inside was given another environment."""
    prefix = f"{MARK}=".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "environ").read_bytes().split(b"\0")
                yield from ((int(entry.name), w[len(prefix) :].decode("ascii", "replace")) for w in words if w.startswith(prefix))


def lives(owner: str) -> bool:
    pid, _, began = owner.partition(":")
    return pid.isdigit() and began != "" and started(int(pid)) == began
