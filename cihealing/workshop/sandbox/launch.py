"""Stand-alone: `python -I -S launch.py NAME=VALUE … -- ARGV…` becomes ARGV, as the user and within
the bounds that are named.

It dies with the service from its first line on. Where the service is root it becomes a user of its
own first; what that user could not reach by path (a tree in a private directory, a toolchain in a
home) is bound to a place where it can, in a mount namespace that nobody else sees. One thread, and
few imports: its start is part of every command.

`parent` (pid), `mark` (value of the environment variable by which leftovers are known),
`limit:RLIMIT_…` (a number), `cgroup` (a directory to join), `uid`, `stage` (where to bind), `bind`
(a source; the first is bound to `stage/0`, the next to `stage/1` …).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import sys

MARK = "CIHEALING_SANDBOX"
PR_SET_PDEATHSIG, SIGKILL, S_ISUID = 1, 9, 0o4000
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x00020000, 0x1000, 0x4000, 0x40000

libc = ctypes.CDLL(None, use_errno=True)


class LaunchFailed(Exception):
    pass


def bind_to(parent: int) -> None:
    """Die with `parent`. The check closes the gap in which it died before the signal was asked
    for.
    """
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise LaunchFailed("the service is gone")


def limit(kind: int, value: int) -> None:
    """A limit that is lower already stays."""
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (ValueError, OSError) as error:
        raise LaunchFailed(f"limit {kind}: {error}") from error


def join(cgroup: str) -> None:
    with open(f"{cgroup}/cgroup.procs", "w") as file:
        file.write("0")


def prefer_to_be_killed() -> None:
    """Short of memory the kernel ends the sandbox first; what root has set nobody inside can take
    back.
    """
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("900")


def mount(source: str, target: str, *, kind: str = "", flags: int = 0, data: str = "") -> None:
    if libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), flags, data.encode()):
        raise LaunchFailed(f"mount on {target}: {os.strerror(ctypes.get_errno())}")


def stage(place: str, sources: list[str]) -> None:
    """Bind each source to `place/<its number>`, for this process and its children alone."""
    if libc.unshare(CLONE_NEWNS):
        raise LaunchFailed(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("tmpfs", place, kind="tmpfs", data="mode=755,size=1m")
    for number, source in enumerate(sources):
        target = f"{place}/{number}"
        if os.path.isdir(source):
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT))
        mount(source, target, flags=MS_BIND | MS_REC)


def become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def sealed(program: str) -> str:
    """A copy in memory that nobody can write to, to be run in place of the file: what runs can be
    found and changed from inside (`/proc/1/exe`) where the file belongs to the same user. A set-uid
    program would lose its power, and belongs to root anyway.
    """
    if os.stat(program).st_mode & S_ISUID:
        return program
    copy = os.memfd_create("sandbox", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(program, "rb") as file:
        content = file.read()
    if os.write(copy, content) != len(content):
        raise LaunchFailed(f"{program} could not be copied")
    fcntl.fcntl(
        copy,
        fcntl.F_ADD_SEALS,
        fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE,
    )
    return f"/proc/self/fd/{copy}"


def main(words: list[str], argv: list[str]) -> None:
    given = [word.partition("=") for word in words]
    plan = {name: value for name, _, value in given}
    parent = int(plan["parent"])
    bind_to(parent)
    if "cgroup" in plan:
        join(plan["cgroup"])
    if "uid" in plan:
        prefer_to_be_killed()
        stage(plan["stage"], [value for name, _, value in given if name == "bind"])
        become(int(plan["uid"]))
        bind_to(parent)  # the kernel forgets it when the user changes
    for name, value in plan.items():
        if name.startswith("limit:"):
            limit(getattr(resource, name[len("limit:") :]), int(value))
    os.execve(sealed(argv[0]), argv, {"PATH": "/usr/bin:/bin", MARK: plan["mark"]})  # noqa: S606  (argv is the point of this program)


if __name__ == "__main__":
    end = sys.argv.index("--")
    try:
        main(sys.argv[1:end], sys.argv[end + 1 :])
    except (LaunchFailed, OSError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        sys.exit(125)
