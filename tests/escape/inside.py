"""What every attempt imports inside the sandbox: system calls by name, the addresses outside, and
how an attempt says what it reached.

Standard library only; copied beside the attempt, which imports all of it. An OSError that an
attempt does not catch is its refusal; any other error is a dud.
"""

# ruff: noqa: F401

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace, TracebackType

HERE = Path(__file__).parent
it = SimpleNamespace(**json.loads((HERE / "outside.json").read_text()))
"""Where things lie outside, as far as an attacker can know: paths, ports, process ids. No
secrets.
"""

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

NUMBERS = {
    "ioctl": 16,
    "shmget": 29,
    "shmat": 30,
    "clone": 56,
    "semget": 64,
    "msgget": 68,
    "ptrace": 101,
    "syslog": 103,
    "mknod": 133,
    "personality": 135,
    "modify_ldt": 154,
    "pivot_root": 155,
    "chroot": 161,
    "mount": 165,
    "mq_open": 240,
    "add_key": 248,
    "keyctl": 250,
    "unshare": 272,
    "vmsplice": 278,
    "perf_event_open": 298,
    "fanotify_init": 300,
    "prlimit64": 302,
    "name_to_handle_at": 303,
    "open_by_handle_at": 304,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "finit_module": 313,
    "memfd_create": 319,
    "bpf": 321,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "pidfd_open": 434,
    "clone3": 435,
    "pidfd_getfd": 438,
}
"""x86_64."""

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000,
    0x02000000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
AT_FDCWD = -100
REFUSALS = frozenset({errno.EPERM, errno.ENOSYS})


def say(word: str, what: object = "") -> None:
    print(f">>> {word} {what}".rstrip(), flush=True)


def escaped(what: object = "") -> None:
    say("escaped", what)


def long(value: object) -> object:
    """ctypes passes int as 32 bits: here every number is a long."""
    return ctypes.c_long(value) if isinstance(value, int) else value


def call(name: str, *args: object) -> int:
    """A system call; raises OSError."""
    ctypes.set_errno(0)
    result = int(libc.syscall(ctypes.c_long(NUMBERS[name]), *map(long, args)))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def reached(name: str, *args: object) -> None:
    """Escaped where the call got past every filter: it succeeded, or the kernel's own code found
    fault with its arguments.
    """
    try:
        call(name, *args)
    except OSError as error:
        if error.errno in REFUSALS:
            raise
    escaped(name)


def buffer(content: bytes = b"", size: int = 0) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(content, max(size, len(content), 1))


def machine_code(code: bytes, *arguments: int) -> int:
    """Run x86 instructions, the arguments in rdi, rsi, rdx."""
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    kinds = [ctypes.c_long] * len(arguments)
    function = ctypes.CFUNCTYPE(ctypes.c_long, *kinds)(
        ctypes.addressof(ctypes.c_char.from_buffer(page))
    )
    return int(function(*arguments))


def own_namespaces(flags: int = 0) -> None:
    """A new user namespace in which this process is root, and the others of `flags`."""
    user, group = os.getuid(), os.getgid()
    call("unshare", NEWUSER | flags)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def child(what: object, *, lives: float = 0.0) -> int:
    """A forked process that calls `what`, lives for so many seconds, and ends."""
    pid = os.fork()
    if pid:
        return pid
    try:
        what()  # type: ignore[operator]
        time.sleep(lives)
    finally:
        os._exit(0)


def refused(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, OSError | MemoryError):
        if isinstance(error, BlockingIOError):
            time.sleep(0.5)  # what the kernel refused is too much already: it has to be seen
        say("refused", repr(error).replace("\n", " "))
    else:
        sys.__excepthook__(kind, error, trace)
        say("broken", repr(error))


sys.excepthook = refused
say("began")
