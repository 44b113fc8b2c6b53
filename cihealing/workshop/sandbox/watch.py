"""Totals of one sandbox, watched from outside: what limits for single processes and files cannot
bound.

Processes and memory are looked at twenty times a second. What was written is found by the file
system's free space, which costs nothing to ask; only when it has shrunk, and every few seconds
besides, the files themselves are counted. What cannot be counted (memory in socket buffers, files
on their way between processes) still is missing from the machine: far more missing than was found,
or a machine whose memory or disk comes to an end, ends the sandbox too, but blames nobody. Where
the kernel counts (cgroup v2) this only confirms it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cihealing.domain.policy import Limits
from cihealing.marks import lives
from cihealing.tree import TooLarge, Tree
from cihealing.workshop.sandbox.leftovers import marked

PAGE = os.sysconf("SC_PAGE_SIZE")
MB = 1024 * 1024
BLOCK = 512
INODE = 1024
"""Bytes of memory a file takes on a tmpfs besides what it holds."""
RECOUNT, RESTED = 5.0, 5
"""Seconds between counts of the files, where free space gives no reason; and how many times what a
count took it rests at least.
"""
LONGEST_COUNT = 2.0
"""Seconds of one count; what was found by then is counted. Nothing else is looked at meanwhile, the
time-out neither.
"""
FLOOR_MEMORY, FLOOR_DISK = 0.04, 0.02
"""Shares of the machine that stay free whatever takes them."""
SCRATCH = ("tmp", "dev/shm")
SCRATCH_HERE = tuple(Path("/", name) for name in SCRATCH)


@dataclass(kw_only=True)
class Watch:
    """`first` is the sandbox's first process as this machine numbers it; `places` are the
    directories it writes to.

    `began` (seconds since the epoch) lies before its start and after the last write of the service
    to these places.
    """

    limits: Limits
    first: int
    places: Sequence[Path]
    began: float
    now: Callable[[], float] = time.monotonic
    unexplained: bool = False
    """Whether what was told last may as well have been somebody else's doing."""

    def __post_init__(self) -> None:
        self.namespace = namespace(self.first)
        self.counted, self.cost = self.now(), 0.0
        self.available = available()
        self.initial = {place: free(place) for place in self.places}
        self.free = dict(self.initial)

    def exceeded(self) -> str:
        """What went beyond its bound, in words; empty while nothing did."""
        pids = list(processes(self.namespace)) if self.namespace else []
        return self._processes(pids) or self._memory(pids) or self._written(pids) or self._machine()

    def _processes(self, pids: Sequence[int]) -> str:
        most = self.limits.processes
        return f"more than {most} processes and threads" if sum(map(threads, pids)) > most else ""

    def _memory(self, pids: Sequence[int]) -> str:
        """Resident pages first, which count what is shared too often; the exact shares, which cost
        more to ask, where those are too many.
        """
        most = self.limits.memory_mb * MB
        scratch = self._scratch()
        if scratch + sum(map(resident, pids)) > most:
            own, shared = map(sum, zip(*map(proportional, pids), (0, 0), strict=True))
            # What is shared may lie in the scratch directories: it counts once.
            if own + max(shared, scratch) > most:
                return f"more than {self.limits.memory_mb} MB of memory in total"
        taken = self.available - available()
        return self._missing("memory") if taken > most * others() else ""

    def _scratch(self) -> int:
        """Bytes of memory behind /tmp and /dev/shm."""
        return sum(size + files * INODE for size, files in map(used, self._scratch_places()))

    def _scratch_places(self) -> list[Path]:
        """Its own: until bubblewrap has made them, this machine's are seen there instead."""
        places = (Path("/proc", str(self.first), "root", name) for name in SCRATCH)
        return [
            place for place in places if device(place) not in {None, *map(device, SCRATCH_HERE)}
        ]

    def _written(self, pids: Sequence[int]) -> str:
        if sum(files for _, files in map(used, self._scratch_places())) > self.limits.files:
            return self._too_many()
        if not self._due():
            return ""
        started = self.now()
        size, files = self._count(pids)
        self.counted, self.cost = self.now(), self.now() - started
        if files > self.limits.files:
            return self._too_many()
        most = self.limits.growth_mb * MB
        if size > most:
            return f"more than {self.limits.growth_mb} MB written"
        lost = max(self.initial[place][0] - free(place)[0] for place in self.places)
        return self._missing("disk") if lost > most and lost > most * self._doubt(pids) else ""

    def _doubt(self, pids: Sequence[int]) -> int:
        """How many times its bound may be missing: once is enough where it keeps files where nobody
        can count them.
        """
        return 1 if sent(pids) else others()

    def _too_many(self) -> str:
        return f"more than {self.limits.files} files written"

    def _due(self) -> bool:
        rested = self.now() - self.counted
        if rested < RESTED * self.cost:
            return False
        return rested > RECOUNT or any(self._shrunk(place) for place in self.places)

    def _shrunk(self, place: Path) -> bool:
        """Whether a file system lost an eighth of what may be written since the last count."""
        size, files = (
            before - now for before, now in zip(self.free[place], free(place), strict=True)
        )
        return size > self.limits.growth_mb * MB // 8 or files > self.limits.files // 8

    def _count(self, pids: Sequence[int]) -> tuple[int, int]:
        """(bytes, files) written since the sandbox began, with those that are open or mapped and
        have no name any more.
        """
        self.free = {place: free(place) for place in self.places}
        found: dict[tuple[int, int], int] = {}
        end = self.now() + LONGEST_COUNT
        try:
            for entry in (e for place in self.places for e in Tree(root=place).walk()):
                if entry.status.st_ctime > self.began:
                    found[entry.status.st_dev, entry.status.st_ino] = entry.status.st_blocks * BLOCK
                if len(found) > self.limits.files or self.now() > end:
                    break
        except TooLarge:
            return 0, self.limits.files + 1
        devices = {place.lstat().st_dev for place in self.places}
        nameless = {
            **mapped(pids),
            **{(s.st_dev, s.st_ino): s.st_blocks * BLOCK for s in opened(pids)},
        }
        found |= {key: size for key, size in nameless.items() if key[0] in devices}
        return sum(found.values()), len(found)

    def _machine(self) -> str:
        if memory_left() < FLOOR_MEMORY:
            return self._missing("memory")
        return self._missing("disk") if any(disk_left(p) < FLOOR_DISK for p in self.places) else ""

    def _missing(self, what: str) -> str:
        self.unexplained = True
        return f"the {what} that this machine can spare"


def others() -> int:
    """How many times one sandbox's bound may be missing before it is no longer explained: two for
    each sandbox of this machine.

    Those are told by bubblewrap's process outside: one that a command starts, under whatever name,
    lives in another namespace.
    """
    here = namespace(os.getpid())
    return 2 * max(1, sum(1 for pid, owner in marked() if lives(owner) and namespace(pid) == here))


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
    """Bytes of memory (its own, shared), each page by its share; files of the disk aside, which the
    kernel can drop.
    """
    with contextlib.suppress(OSError, IndexError, ValueError, KeyError):
        rows = dict(
            line.split()[:2] for line in _read(f"/proc/{pid}/smaps_rollup").splitlines()[1:]
        )
        return int(rows["Pss_Anon:"]) * 1024, int(rows["Pss_Shmem:"]) * 1024
    return resident(pid), 0


def opened(pids: Sequence[int]) -> Iterator[os.stat_result]:
    """Regular files that are open and have no name."""
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


def sent(pids: Sequence[int]) -> int:
    """Files on their way between these processes, as far as their sockets say (Linux 5.6)."""
    return sum(_waiting_in(f"/proc/{pid}/fdinfo/{name}") for pid in pids for name in _sockets(pid))


def _sockets(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.stat(f"/proc/{pid}/fd/{name}").st_mode):
                    yield name


def _waiting_in(path: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in _read(path).splitlines():
            if line.startswith("scm_fds:"):
                return int(line.partition(":")[2])
    return 0


def mapped(pids: Sequence[int]) -> dict[tuple[int, int], int]:
    """(device, inode) of deleted files that are mapped -> bytes, as far as the mapping reaches into
    the file.
    """
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            for line in _read(f"/proc/{pid}/maps").splitlines():
                if line.endswith(" (deleted)"):
                    area, _, offset, device, inode = line.split(None, 5)[:5]
                    start, end = (int(part, 16) for part in area.split("-"))
                    major, minor = (int(part, 16) for part in device.split(":"))
                    key = os.makedev(major, minor), int(inode)
                    found[key] = max(found.get(key, 0), int(offset, 16) + end - start)
    return found


def device(place: Path) -> int | None:
    """Of the file system it lies on; None where it is not there."""
    with contextlib.suppress(OSError):
        return os.stat(place).st_dev
    return None


def used(place: Path) -> tuple[int, int]:
    """(bytes, files) on a file system; nothing where it is gone."""
    with contextlib.suppress(OSError):
        found = os.statvfs(place)
        return (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_files - found.f_ffree
    return 0, 0


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
    found = next(
        (line for line in _read("/proc/meminfo").splitlines() if line.startswith(f"{name}:")), "0 0"
    )
    return int(found.split()[1]) * 1024


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()
