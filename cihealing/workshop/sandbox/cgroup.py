"""A control group for each sandbox, where this machine hands the service one of its own (cgroup v2,
delegated).

The kernel then counts exactly and ends everything at once; the watch only puts it into words.
Nothing here is needed: where there is no such group the watch and the limits of single processes
hold alone. Source: Documentation/admin-guide/cgroup-v2.rst (6.18).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from cihealing.domain.policy import Limits
from cihealing.marks import lives, mark

MOUNTS = Path("/proc/self/mounts")
WANTED = ("pids", "memory")
SERVICE = "service"
"""The group the service itself moves to: one that has members cannot hand controllers on."""
PREFIX = "cihealing-"
MB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class ControlGroup:
    path: Path

    def set(self, limits: Limits) -> None:
        # A little above what the watch ends at, so that it comes to see it.
        self._write("pids.max", str(limits.processes + 32))
        self._write("memory.max", str(limits.memory_mb * MB))
        for name, value in (
            ("memory.swap.max", "0"),
            ("memory.oom.group", "1"),
            ("cpu.weight", "50"),
        ):
            with contextlib.suppress(OSError):
                self._write(name, value)

    def exceeded(self, limits: Limits) -> str:
        """What the kernel refused, in words."""
        if self._count("memory.events", "oom_kill"):
            return f"more than {limits.memory_mb} MB of memory in total"
        return (
            f"more than {limits.processes} processes and threads"
            if self._count("pids.events", "max")
            else ""
        )

    def end(self) -> None:
        """Kill all that is in it and take it away."""
        with contextlib.suppress(OSError):
            self._write("cgroup.kill", "1")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.01)

    def _write(self, name: str, value: str) -> None:
        (self.path / name).write_text(value)

    def _count(self, file: str, event: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            rows = dict(line.split(" ", 1) for line in (self.path / file).read_text().splitlines())
            return int(rows.get(event, "0"))
        return 0


@contextlib.contextmanager
def group(limits: Limits) -> Iterator[ControlGroup | None]:
    """A fresh group with these limits, gone afterwards; None where there is none to be had."""
    parent = delegated()
    made = None if parent is None else _made(parent, limits)
    try:
        yield made
    finally:
        if made is not None:
            made.end()


def _made(parent: Path, limits: Limits) -> ControlGroup | None:
    made = ControlGroup(path=parent / f"{PREFIX}{mark()}:{uuid4().hex[:8]}")
    try:
        made.path.mkdir()
        made.set(limits)
    except OSError:
        made.end()
        return None
    return made


def delegated(mounts: Path = MOUNTS, *, membership: str | None = None) -> Path | None:
    """The service's own part of the hierarchy, its controllers handed on to what is made in it;
    None where it has none.

    Members of the group are moved down first, if they are all the service's own process.
    """
    own = _own(mounts, membership)
    if (
        own is None
        or not os.access(own, os.W_OK)
        or not set(WANTED) <= _words(own / "cgroup.controllers")
    ):
        return None
    if set(WANTED) <= _words(own / "cgroup.subtree_control") or _handed_on(own):
        return own
    return None


def end_leftovers() -> int:
    """End the groups of services that are gone; how many there were. To be called at start."""
    parent = delegated()
    found = (
        []
        if parent is None
        else [
            p
            for p in parent.glob(f"{PREFIX}*")
            if not lives(p.name[len(PREFIX) :].rpartition(":")[0])
        ]
    )
    for path in found:
        ControlGroup(path=path).end()
    return len(found)


def _own(mounts: Path, membership: str | None) -> Path | None:
    with contextlib.suppress(OSError):
        rows = [line.split() for line in mounts.read_text().splitlines()]
        mounted = next((Path(row[1]) for row in rows if row[2] == "cgroup2"), None)
        text = Path("/proc/self/cgroup").read_text() if membership is None else membership
        name = next((line[3:] for line in text.splitlines() if line.startswith("0::/")), None)
        if mounted is not None and name is not None:
            place = mounted / name.strip("/")
            return place.parent if place.name == SERVICE else place
    return None


def _handed_on(own: Path) -> bool:
    """Only where nobody else lives there: a login session's group is not the service's to
    rearrange.
    """
    try:
        if {int(pid) for pid in (own / "cgroup.procs").read_text().split()} - {os.getpid()}:
            return False
        (own / SERVICE).mkdir(exist_ok=True)
        (own / SERVICE / "cgroup.procs").write_text(str(os.getpid()))
        (own / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in WANTED))
    except (OSError, ValueError):
        return False
    return True


def _words(path: Path) -> set[str]:
    try:
        return set(path.read_text().split())
    except OSError:
        return set()
