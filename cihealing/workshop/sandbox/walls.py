"""What stands between repository code and this machine, each part by its name, and how much of
everything it may take.

A wall is left out where the machine cannot have it and the operator accepts that by name
(`CI_HEALING_SANDBOX_ACCEPT`), and by tests that show what it holds back. Without every wall the
mode falls to `diagnose`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, kw_only=True)
class Walls:
    own_uid: bool = True
    """Where the service is root the sandbox is an unprivileged user that nothing else runs as."""
    syscalls: bool = True
    """A seccomp filter refuses what no build needs."""
    namespaces: bool = True
    """No further user namespaces, in which a user would be root again."""
    network: bool = True
    processes: bool = True
    """A process namespace of its own: nothing outside is seen or signalled, nothing outlives it."""
    ipc: bool = True
    """Own System V and POSIX queues and shared memory, own host and cgroup names."""
    files: bool = True
    """Only /usr, the toolchain and the tree are shown, all but the tree read-only."""
    environment: bool = True
    proc: bool = True
    """Kernel settings and what tells of the whole machine are covered in /proc."""
    devices: bool = True
    """/dev holds the harmless few and nothing can be put there; /dev/shm has a size."""
    session: bool = True
    """No terminal of the service's."""
    totals: bool = True
    """Processes, memory, growth and output are bounded together, not for each process alone."""


WALLS = tuple(field.name for field in fields(Walls))
ACCEPTABLE: Mapping[str, str] = {
    "own_uid": "repository code runs as the service's own user, root",
    "syscalls": "system calls are not filtered",
}
"""Walls some machines cannot have, and what it means to go without; the others come with bubblewrap
or not at all.
"""


def without(walls: Walls, names: Sequence[str] | frozenset[str]) -> Walls:
    return replace(walls, **dict.fromkeys(names, False))
