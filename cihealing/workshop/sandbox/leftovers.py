"""Sandboxes that outlived their service: each carries a mark that names its owner, and without a
living owner it is ended.

The kernel ends a sandbox with its service (parent death signal); one that is killed while it starts
may slip through.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from cihealing.marks import lives
from cihealing.workshop.sandbox.launch import MARK


def end_leftovers() -> int:
    """Kill every sandbox of this user (root: of all) whose owner is gone; how many processes that
    were. To be called at start.
    """
    found = [pid for pid, owner in marked() if not lives(owner) and is_ours(pid)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def is_ours(pid: int) -> bool:
    """Whether a marked process is of a service of this process namespace, where its mark means
    something: it is here itself (bubblewrap outside), or the first one of a namespace directly
    below (bubblewrap inside). Others are of services in containers.
    """
    try:
        rows = (Path("/proc") / str(pid) / "status").read_text(errors="replace").splitlines()
    except OSError:
        return False
    numbers = next((row.split()[1:] for row in rows if row.startswith("NSpid:")), [])
    return len(numbers) == 1 or (len(numbers) == 2 and numbers[1] == "1")


def marked() -> Iterator[tuple[int, str]]:
    """(pid, mark) of bubblewrap's own processes; what runs inside was given another environment."""
    prefix = f"{MARK}=".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "environ").read_bytes().split(b"\0")
                yield from (
                    (int(entry.name), w[len(prefix) :].decode("ascii", "replace"))
                    for w in words
                    if w.startswith(prefix)
                )
