"""Totals of one sandbox, watched from outside: what limits for single processes and files cannot bound.

Processes and memory are looked at twenty times a second. What was written is found by the file system's free space, which costs
nothing to ask; only when it has shrunk, and every few seconds besides, the files themselves are counted. Last, whatever took it: a
machine whose own memory or disk comes to an end ends the sandbox. Where the kernel counts (cgroup v2) this only confirms it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cihealing.domain.policy import Limits
from cihealing.tree import TooLarge, Tree

PAGE = os.sysconf("SC_PAGE_SIZE")
MB = 1024 * 1024
BLOCK = 512
RECOUNT = 5.0
"""Seconds between counts of the files, where free space gives no reason; at least twenty times what a count takes."""
FLOOR_MEMORY, FLOOR_DISK = 0.04, 0.02
"""Shares of the machine that stay free whatever takes them."""
SCRATCH = ("tmp", "dev/shm")


@dataclass(kw_only=True)
class Watch:
    """`first` is the sandbox's first process as this machine numbers it; `places` are the directories it writes to."""

    limits: Limits
    first: int
    places: Sequence[Path]
    now: Callable[[], float] = time.monotonic
    began: float = field(default_factory=time.time)
    counted: float = 0.0
    cost: float = 0.0
    free: dict[Path, tuple[int, int]] = field(default_factory=dict)
    available: int = 0

    def __post_init__(self) -> None:
        self.namespace = namespace(self.first)
        self.counted, self.available = self.now(), available()
        self.free = {place: free(place) for place in self.places}

    def exceeded(self) -> str:
        """What went beyond its bound, in words; empty while nothing did."""
        pids = list(processes(self.namespace)) if self.namespace else []
        return self._processes(pids) or self._memory(pids) or self._written(pids) or self._machine()

    def _processes(self, pids: Sequence[int]) -> str:
        most = self.limits.processes
        return f"more than {most} processes and threads" if sum(map(threads, pids)) > most else ""

    def _memory(self, pids: Sequence[int]) -> str:
        """Resident pages first, which count what is shared too often; only where they or the machine say so the exact shares."""
        most = self.limits.memory_mb * MB
        scratch = sum(used(Path("/proc", str(self.first), "root", name)) for name in SCRATCH)
        taken = self.available - available()
        if scratch + sum(map(resident, pids)) <= most and taken <= most // 4:
            return ""
        own, shared = map(sum, zip(*map(proportional, pids), (0, 0), strict=True))
        # What is shared may lie in the scratch directories or in files without a name, mapped or not: it counts once.
        exact = own + max(shared, scratch + nameless_memory(pids))
        return f"more than {self.limits.memory_mb} MB of memory in total" if exact > most else ""

    def _written(self, pids: Sequence[int]) -> str:
        if not self._due():
            return ""
        started = self.now()
        size, files = self._count(pids)
        self.counted, self.cost = self.now(), self.now() - started
        if size > self.limits.growth_mb * MB:
            return f"more than {self.limits.growth_mb} MB written"
        return f"more than {self.limits.files} files written" if files > self.limits.files else ""

    def _due(self) -> bool:
        rested = self.now() - self.counted
        if rested < 20 * self.cost:
            return False
        return rested > RECOUNT or any(self._shrunk(place) for place in self.places)

    def _shrunk(self, place: Path) -> bool:
        """Whether a file system lost an eighth of what may be written since the last count."""
        size, files = (before - now for before, now in zip(self.free[place], free(place), strict=True))
        return size > self.limits.growth_mb * MB // 8 or files > self.limits.files // 8

    def _count(self, pids: Sequence[int]) -> tuple[int, int]:
        """(bytes, files) written since the sandbox began, with those that are open and have no name any more."""
        self.free = {place: free(place) for place in self.places}
        found: dict[tuple[int, int], int] = {}
        try:
            for place in self.places:
                for entry in Tree(root=place).walk():
                    if entry.status.st_ctime >= self.began - 1:
                        found[entry.status.st_dev, entry.status.st_ino] = entry.status.st_blocks * BLOCK
        except TooLarge:
            return 0, self.limits.files + 1
        devices = {place.lstat().st_dev for place in self.places}
        for status in nameless(pids):
            if status.st_dev in devices:
                found[status.st_dev, status.st_ino] = status.st_blocks * BLOCK
        return sum(found.values()), len(found)

    def _machine(self) -> str:
        if memory_left() < FLOOR_MEMORY:
            return "the memory that this machine can spare"
        return "the disk that this machine can spare" if any(disk_left(p) < FLOOR_DISK for p in self.places) else ""


# ---------------------------------------------------------------- what the kernel tells


def namespace(pid: int) -> str:
    """The name of its process namespace; empty where it cannot be seen (any more)."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def processes(name: str) -> Iterator[int]:
    for entry in os.listdir("/proc"):
        if entry.isdigit() and namespace(int(entry)) == name:
            yield int(entry)


def threads(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(_read(f"/proc/{pid}/stat").rpartition(")")[2].split()[17])
    return 0


def resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(_read(f"/proc/{pid}/statm").split()[1]) * PAGE
    return 0


def proportional(pid: int) -> tuple[int, int]:
    """Bytes of memory (its own, shared), each page by its share; files of the disk aside, which the kernel can drop."""
    with contextlib.suppress(OSError, IndexError, ValueError, KeyError):
        rows = dict(line.split()[:2] for line in _read(f"/proc/{pid}/smaps_rollup").splitlines()[1:])
        return int(rows["Pss_Anon:"]) * 1024, int(rows["Pss_Shmem:"]) * 1024
    return resident(pid), 0


def nameless(pids: Sequence[int]) -> Iterator[os.stat_result]:
    """Regular files that are open and have no name: deleted ones, and memory that poses as a file (memfd_create)."""
    for pid in pids:
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for name in names:
            with contextlib.suppress(OSError):
                status = os.stat(f"/proc/{pid}/fd/{name}")
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    yield status


def nameless_memory(pids: Sequence[int]) -> int:
    """Bytes that files without a name hold in memory (memfd_create)."""
    return sum({(s.st_dev, s.st_ino): s.st_blocks * BLOCK for s in nameless(pids) if in_memory(s)}.values())


def in_memory(status: os.stat_result) -> bool:
    """Whether a file lies in memory: its device has no major number (tmpfs, memfd)."""
    return os.major(status.st_dev) == 0


def used(place: Path) -> int:
    with contextlib.suppress(OSError):
        found = os.statvfs(place)
        return (found.f_blocks - found.f_bfree) * found.f_frsize
    return 0


def free(place: Path) -> tuple[int, int]:
    """(bytes, files) left on the file system."""
    found = os.statvfs(place)
    return found.f_bfree * found.f_frsize, found.f_ffree


def disk_left(place: Path) -> float:
    found = os.statvfs(place)
    return found.f_bavail / found.f_blocks if found.f_blocks else 1.0


def memory_left() -> float:
    total, left = (meminfo(name) for name in ("MemTotal", "MemAvailable"))
    return left / total if total else 1.0


def available() -> int:
    return meminfo("MemAvailable")


def meminfo(name: str) -> int:
    """Bytes; 0 where the kernel does not tell."""
    found = next((line for line in _read("/proc/meminfo").splitlines() if line.startswith(f"{name}:")), "0 0")
    return int(found.split()[1]) * 1024


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123  (twenty times a second)
        return file.read()
