"""The seccomp filter: a classic BPF program that refuses what no build needs. Pure: bytes out,
nothing is loaded here.

Calls the kernel knew when this was written are allowed but for those named below; newer ones are
answered `ENOSYS`, as by a kernel that does not have them. Other instruction sets of the same
machine (32 bit, x32) are refused whole: they have other numbers for the same calls. Sources:
seccomp(2), linux/filter.h, linux/seccomp.h, asm/unistd_64.h and asm-generic/unistd.h (6.18),
Docker's default profile for what containers do without.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, JUMP_EQUAL, JUMP_GREATER, JUMP_SET, RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; each argument is eight bytes, the lower half first on both
machines below.
"""

NEWEST = 469
"""The highest call number of Linux 6.18 (file_setattr), the same on both: from 424 on all machines
count alike.
"""
X32 = 0x40000000

NAMESPACES = 0x7E020080
"""CLONE_NEWTIME | NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET."""
UNIX, INET, INET6 = 1, 2, 10
FAMILIES = (UNIX, INET, INET6)
TIOCSTI, TIOCLINUX, TIOCSETD = 0x5412, 0x541C, 0x5423
MAX_SEGMENT = 64 * 1024
"""Bytes of one System V segment: it is memory that belongs to no process, and so escapes whoever
counts.
"""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One instruction set: its AUDIT_ARCH number, and the numbers of the calls that are treated
    specially.
    """

    audit: int
    calls: Mapping[str, int]


X86_64 = Machine(
    audit=0xC000003E,
    calls={
        "ioctl": 16,
        "shmget": 29,
        "msgget": 68,
        "socket": 41,
        "socketpair": 53,
        "clone": 56,
        "ptrace": 101,
        "syslog": 103,
        "uselib": 134,
        "personality": 135,
        "ustat": 136,
        "sysfs": 139,
        "vhangup": 153,
        "modify_ldt": 154,
        "pivot_root": 155,
        "_sysctl": 156,
        "adjtimex": 159,
        "chroot": 161,
        "acct": 163,
        "settimeofday": 164,
        "mount": 165,
        "umount2": 166,
        "swapon": 167,
        "swapoff": 168,
        "reboot": 169,
        "sethostname": 170,
        "setdomainname": 171,
        "iopl": 172,
        "ioperm": 173,
        "create_module": 174,
        "init_module": 175,
        "delete_module": 176,
        "get_kernel_syms": 177,
        "query_module": 178,
        "quotactl": 179,
        "nfsservctl": 180,
        "clock_settime": 227,
        "kexec_load": 246,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "migrate_pages": 256,
        "mknod": 133,
        "mknodat": 259,
        "unshare": 272,
        "move_pages": 279,
        "perf_event_open": 298,
        "fanotify_init": 300,
        "name_to_handle_at": 303,
        "open_by_handle_at": 304,
        "clock_adjtime": 305,
        "setns": 308,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "kcmp": 312,
        "finit_module": 313,
        "kexec_file_load": 320,
        "bpf": 321,
        "memfd_create": 319,
        "userfaultfd": 323,
        "lookup_dcookie": 212,
    },
)
AARCH64 = Machine(
    audit=0xC00000B7,
    calls={
        "ioctl": 29,
        "mknodat": 33,
        "umount2": 39,
        "mount": 40,
        "pivot_root": 41,
        "nfsservctl": 42,
        "chroot": 51,
        "vhangup": 58,
        "quotactl": 60,
        "acct": 89,
        "personality": 92,
        "unshare": 97,
        "kexec_load": 104,
        "init_module": 105,
        "delete_module": 106,
        "clock_settime": 112,
        "syslog": 116,
        "ptrace": 117,
        "reboot": 142,
        "sethostname": 161,
        "setdomainname": 162,
        "settimeofday": 170,
        "adjtimex": 171,
        "msgget": 186,
        "shmget": 194,
        "socket": 198,
        "socketpair": 199,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "clone": 220,
        "swapon": 224,
        "swapoff": 225,
        "migrate_pages": 238,
        "move_pages": 239,
        "perf_event_open": 241,
        "fanotify_init": 262,
        "name_to_handle_at": 264,
        "open_by_handle_at": 265,
        "clock_adjtime": 266,
        "setns": 268,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "kcmp": 272,
        "finit_module": 273,
        "memfd_create": 279,
        "bpf": 280,
        "userfaultfd": 282,
        "kexec_file_load": 294,
        "lookup_dcookie": 18,
    },
)
MACHINES: Mapping[str, Machine] = {"x86_64": X86_64, "aarch64": AARCH64, "arm64": AARCH64}

COMMON: Mapping[str, int] = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "clone3": 435,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "memfd_secret": 447,
    "process_mrelease": 448,
    "statmount": 457,
    "listmount": 458,
    "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460,
    "lsm_list_modules": 461,
    "open_tree_attr": 467,
}
"""The same numbers everywhere."""

ABSENT = (
    "clone3",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "memfd_create",
    "memfd_secret",
    "statmount",
    "listmount",
)
"""Answered as if the kernel did not know them, for which programs have another way: clone3's flags
lie in memory that a filter cannot see, so callers must come to `clone`. Memory that poses as a
file has no place where it could be counted once it is sent through a socket; what is written to
/dev/shm instead is counted there, with or without a name.
"""
SPECIAL = ("ioctl", "shmget", "socket", "socketpair", "clone", "personality", "mknod", "mknodat")

Instruction = tuple[int, int, int, int]


def filter_program(machine: str = "") -> bytes | None:
    """The program for `machine` (by default this one), as `bwrap --seccomp` reads it; None for a
    machine that is not known here.
    """
    known = MACHINES.get(machine or platform.machine())
    return (
        None if known is None else b"".join(struct.pack("<HBBI", *i) for i in instructions(known))
    )


def instructions(machine: Machine) -> list[Instruction]:
    calls = {**machine.calls, **COMMON}
    refused = sorted(
        number for name, number in calls.items() if name not in SPECIAL and name not in ABSENT
    )
    return [
        load(ARCHITECTURE),
        *unless_equal(machine.audit, answer=KILL),
        load(NUMBER),
        *when_above(X32 - 1, answer=KILL),
        *when_above(NEWEST, answer=failing(errno.ENOSYS)),
        *(i for name in ABSENT for i in when_equal(calls[name], answer=failing(errno.ENOSYS))),
        *(i for number in refused for i in when_equal(number, answer=failing(errno.EPERM))),
        *special(calls),
        answer(ALLOW),
    ]


def special(calls: Mapping[str, int]) -> list[Instruction]:
    """Calls that depend on an argument. Each block judges and answers for its own call alone."""
    nowhere = failing(errno.EAFNOSUPPORT)
    devices = (0o060000, 0o020000)
    blocks = {
        "socket": [*unless_one_of(FAMILIES, argument=0, answer=nowhere)],
        "socketpair": [*unless_one_of((UNIX,), argument=0, answer=nowhere)],
        "clone": [argument(0), *when_any_bit(NAMESPACES, answer=failing(errno.EPERM))],
        "ioctl": [
            argument(1),
            *(
                i
                for r in (TIOCSTI, TIOCLINUX, TIOCSETD)
                for i in when_equal(r, answer=failing(errno.EPERM))
            ),
        ],
        "shmget": [
            argument(1, upper=True),
            *unless_equal(0, answer=failing(errno.EPERM)),
            argument(1),
            *when_above(MAX_SEGMENT, answer=failing(errno.EPERM)),
        ],
        # Only the plain personality, and the one that switches address randomisation off
        # (debuggers, sanitizers).
        "personality": [
            *unless_one_of((0, 0x0040000, 0xFFFFFFFF), argument=0, answer=failing(errno.EPERM))
        ],
        "mknod": kind_of_node(1, devices),
        "mknodat": kind_of_node(2, devices),
    }
    return [
        i
        for name, block in blocks.items()
        if name in calls
        for i in only_for(calls[name], [*block, answer(ALLOW)])
    ]


def kind_of_node(which: int, refused: Sequence[int]) -> list[Instruction]:
    masked: Instruction = (0x54, 0, 0, 0o170000)
    return [
        argument(which),
        masked,
        *(i for kind in refused for i in when_equal(kind, answer=failing(errno.EPERM))),
    ]


def load(offset: int) -> Instruction:
    return (LOAD, 0, 0, offset)


def argument(which: int, *, upper: bool = False) -> Instruction:
    return load(ARGUMENTS + 8 * which + (4 if upper else 0))


def answer(value: int) -> Instruction:
    return (RETURN, 0, 0, value)


def failing(code: int) -> int:
    return ERRNO | code


def when_equal(value: int, *, answer: int) -> list[Instruction]:
    return [(JUMP_EQUAL, 0, 1, value), (RETURN, 0, 0, answer)]


def unless_equal(value: int, *, answer: int) -> list[Instruction]:
    return [(JUMP_EQUAL, 1, 0, value), (RETURN, 0, 0, answer)]


def when_above(value: int, *, answer: int) -> list[Instruction]:
    return [(JUMP_GREATER, 0, 1, value), (RETURN, 0, 0, answer)]


def when_any_bit(mask: int, *, answer: int) -> list[Instruction]:
    return [(JUMP_SET, 0, 1, mask), (RETURN, 0, 0, answer)]


def unless_one_of(values: Sequence[int], *, argument: int, answer: int) -> list[Instruction]:
    """Answer, unless the argument's lower half is one of `values`: the kernel takes no more of an
    `int`.
    """
    tests = [(JUMP_EQUAL, len(values) - n, 0, value) for n, value in enumerate(values)]
    return [load(ARGUMENTS + 8 * argument), *tests, (RETURN, 0, 0, answer)]


def only_for(number: int, block: Sequence[Instruction]) -> list[Instruction]:
    """`block` where the call has this number. It must end in an answer: arguments have taken the
    number's place by then.
    """
    return [(JUMP_EQUAL, 0, len(block), number), *block]
