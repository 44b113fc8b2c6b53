"""Stand-alone: `python -I -S launch.py PLAN -- ARGV…` becomes ARGV, as the user and within the bounds that PLAN (JSON) names.

It dies with the service from its first line on. Where the service is root it becomes a user of its own first; what that user
could not reach by path (a tree in a private directory, a toolchain in a home) is bound to a place where it can, in a mount
namespace that nobody else sees. Standard library only, one thread.

PLAN: `parent` (pid), `mark` (value of the environment variable by which leftovers are known), `limits` (RLIMIT name -> value),
`cgroup` (a directory to join, or ""), `uid` (or null), `stage` (where to bind), `binds` (sources, bound to `stage/0`, `stage/1` …).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import stat
import sys
from pathlib import Path

MARK = "CIHEALING_SANDBOX"
PR_SET_PDEATHSIG = 1
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x00020000, 0x1000, 0x4000, 0x40000

libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    pass


def bind_to(parent: int) -> None:
    """Die with `parent`. The check closes the gap in which it died before the signal was asked for."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise Failed("the service is gone")


def limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (value, value))


def join(cgroup: str) -> None:
    if cgroup:
        Path(cgroup, "cgroup.procs").write_text("0")


def mount(source: str, target: str, *, kind: str = "", flags: int = 0, data: str = "") -> None:
    if libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), flags, data.encode()):
        raise Failed(f"mount on {target}: {os.strerror(ctypes.get_errno())}")


def stage(place: str, sources: list[str]) -> None:
    """Bind each source to `place/<its number>`, for this process and its children alone."""
    if libc.unshare(CLONE_NEWNS):
        raise Failed(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("tmpfs", place, kind="tmpfs", data="mode=755,size=1m")
    for number, source in enumerate(sources):
        target = Path(place, str(number))
        if Path(source).is_dir():
            target.mkdir()
        else:
            target.touch()
        mount(source, str(target), flags=MS_BIND | MS_REC)


def become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def sealed(program: str) -> str:
    """A copy in memory that nobody can write to, to be run in place of the file: what runs can be found and changed from inside
    (`/proc/1/exe`) where the file belongs to the same user. A set-uid program would lose its power, and belongs to root anyway.
    """
    if Path(program).stat().st_mode & stat.S_ISUID:
        return program
    copy = os.memfd_create("sandbox", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    content = Path(program).read_bytes()
    if os.write(copy, content) != len(content):
        raise Failed(f"{program} could not be copied")
    fcntl.fcntl(copy, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return f"/proc/self/fd/{copy}"


def main(plan: dict[str, object], argv: list[str]) -> None:
    parent, uid = plan["parent"], plan["uid"]
    assert isinstance(parent, int)
    bind_to(parent)
    join(str(plan["cgroup"]))
    if isinstance(uid, int):
        stage(str(plan["stage"]), [str(source) for source in list(plan["binds"])])  # type: ignore[call-overload]
        become(uid)
        bind_to(parent)  # the kernel forgets it when the user changes
    for name, value in dict(plan["limits"]).items():  # type: ignore[call-overload]
        limit(getattr(resource, name), value)
    os.execve(sealed(argv[0]), argv, {"PATH": "/usr/bin:/bin", MARK: str(plan["mark"])})  # noqa: S606  (argv is the point of this program)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]), sys.argv[3:])
    except (Failed, OSError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        sys.exit(125)
