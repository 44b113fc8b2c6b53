"""The mark of a process: by it what a process made is known as somebody's, and as nobody's once
that process is gone.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

SHAPE = re.compile(r"(?P<pid>\d{1,10})-(?P<began>\d{1,20})\Z")


def mark() -> str:
    """This process by pid and start time: a pid alone is used again."""
    return _of(os.getpid())


@cache
def _of(pid: int) -> str:
    return f"{pid}-{started(pid)}"


def started(pid: int) -> str:
    """Ticks since boot at which a process began; empty where there is none."""
    try:
        # The command name may hold spaces and parentheses: the fields that count come after the
        # last one.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


def lives(text: str) -> bool:
    """Whether the process of this mark is alive; what is no mark is nobody's."""
    found = SHAPE.match(text)
    return found is not None and started(int(found["pid"])) == found["began"]
