"""Users for sandboxes where the service is root: unprivileged, in no password file, each held by
one tree at a time.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pwd
import random
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cihealing.ports import TransientError

FIRST = (70_000, 61_000)
"""Where the users begin: between those for people and those for containers, else (only 65,536 exist
here) below systemd's own.
"""
COUNT = 128
CLONE_NEWNS = 0x00020000


def trouble() -> str | None:
    """Why the sandbox cannot be a user of its own; None where it can, or need not because the
    service is none to speak of.
    """
    return None if os.getuid() != 0 else _trouble_as_root()


@cache
def _trouble_as_root() -> str | None:
    if first() is None:
        return "this machine maps no spare user ids (see /proc/self/uid_map)"
    if not _may_stage():
        return "root here may not mount (CAP_SYS_ADMIN is missing)"
    return None


def _may_stage() -> bool:
    """Tried in a child, so that the service itself stays where it is."""
    child = os.fork()
    if child == 0:
        try:
            failed = ctypes.CDLL(None).unshare(CLONE_NEWNS)
            os.setgroups([])
            os.setresuid(1, 1, 1)
        except OSError:
            failed = 1
        os._exit(failed != 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@cache
def first() -> int | None:
    return next(
        (
            n
            for n in FIRST
            if all(_mapped(n, kind=kind) for kind in ("uid", "gid")) and not _known(n)
        ),
        None,
    )


def _mapped(number: int, *, kind: str) -> bool:
    rows = [
        tuple(map(int, line.split()))
        for line in Path(f"/proc/self/{kind}_map").read_text().splitlines()
    ]
    return any(inside <= number and number + COUNT <= inside + length for inside, _, length in rows)


def _known(number: int) -> bool:
    return any(number <= person.pw_uid < number + COUNT for person in pwd.getpwall())


def is_ours(uid: int) -> bool:
    start = first() if os.getuid() == 0 else None
    return start is not None and start <= uid < start + COUNT


@contextlib.contextmanager
def lease() -> Iterator[int]:
    """A user nobody else has until the end; the service's own where it is not root or cannot have
    others.

    Raises TransientError where all are taken.
    """
    start = first()
    if os.getuid() != 0 or trouble() is not None or start is None:
        yield os.getuid()
        return
    place = _locks()
    for number in random.sample(range(COUNT), COUNT):
        with (place / str(number)).open("w") as lock:
            if _taken(lock.fileno()):
                end_all_of(start + number)
                try:
                    yield start + number
                finally:
                    end_all_of(start + number)
                return
    raise TransientError(f"all {COUNT} users for sandboxes are taken")


def end_all_of(uid: int) -> None:
    """Kill whatever runs as this user, wherever it came from: the next tree is nobody's but its
    own.
    """
    for _ in range(50):
        found = [
            pid
            for pid in map(int, filter(str.isdigit, os.listdir("/proc")))  # noqa: PTH208
            if uid in _users_of(pid)
        ]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    raise TransientError(f"processes of the sandbox user {uid} do not end")


def _users_of(pid: int) -> set[int]:
    """Real, effective, saved and file system user; none where it is gone or dead already."""
    try:
        rows = dict(
            line.split(":", 1)
            for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
            if ":" in line
        )
        return set() if rows["State"].split()[0] in "ZX" else set(map(int, rows["Uid"].split()))
    except (OSError, KeyError, ValueError):
        return set()


def _locks() -> Path:
    for parent in (Path("/run"), Path(tempfile.gettempdir())):
        place = parent / "cihealing-users"
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o700, exist_ok=True)
            status = place.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == 0:
                return place
    raise TransientError(
        "no directory for the locks of sandbox users: /run and the temporary directory are not"
        " root's to write"
    )


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
