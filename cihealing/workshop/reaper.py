"""Stand-alone: `python -I -S reaper.py PARENT LIMITS -- ARGV…` runs ARGV and leaves no process
behind.

As a subreaper it inherits whatever its child orphaned (double forks, `setsid`), and ends all of it
when the child ends, on SIGTERM, and when its own parent dies (PDEATHSIG): a worker killed with -9
takes its commands with it. Standard library only: it runs without the service's packages, and its
one thread makes `fork` safe.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def bind_to(parent: int) -> None:
    """Die with `parent`, adopt orphans. The check closes the gap in which the parent died before
    the signal was asked for.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    signal.signal(signal.SIGTERM, stop)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(128 + signal.SIGTERM)


def start(argv: list[str], *, limits: dict[str, int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for name, value in limits.items():
            limit(getattr(resource, name), value)
        os.execvp(argv[0], argv)  # noqa: S606  (argv is the point of this program)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
    os._exit(127)


def limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (value, value))


def wait_for(child: int) -> int:
    """The exit code of `child` in the shell's terms (128 + signal); orphans that end meanwhile are
    collected.
    """
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def children() -> list[int]:
    mine = os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The command name may hold spaces and parentheses: the fields that count come after the
            # last one.
            if (
                entry.name.isdigit()
                and int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
                == mine
            ):
                found.append(int(entry.name))
    return found


def sweep() -> None:
    """Kill until nothing is left: what a killed child leaves behind becomes ours and is killed in
    the next round.
    """
    while True:
        for pid in children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def main(argv: list[str]) -> int:
    parent, limits, _, *command = argv
    bind_to(int(parent))
    try:
        return wait_for(start(command, limits=json.loads(limits)))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sweep()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
