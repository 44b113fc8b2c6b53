"""The filter of system calls, run by a small interpreter: the same program for machines this one is
not.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Sequence

import pytest

from cihealing.workshop.sandbox import syscalls
from cihealing.workshop.sandbox.syscalls import ALLOW, COMMON, ERRNO, KILL, MACHINES, filter_program

OTHER = {
    "x86_64": {"read": 0, "execve": 59, "openat2": 437, "futex_waitv": 449},
    "aarch64": {"read": 63, "execve": 221, "openat2": 437},
}
I386 = 0x40000003


def instructions(program: bytes) -> Iterator[tuple[int, int, int, int]]:
    yield from struct.iter_unpack("<HBBI", program)


def verdict(
    program: bytes, number: int, arguments: Sequence[int] = (), *, architecture: int
) -> int:
    """What a classic BPF machine answers. Source: linux/filter.h, seccomp(2)."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
    code, at, value = list(instructions(program)), 0, 0
    for _ in range(len(code)):
        kind, yes, no, k = code[at]
        at += 1
        match kind:
            case syscalls.LOAD:
                value = struct.unpack_from("<I", data, k)[0]
            case syscalls.JUMP_EQUAL:
                at += yes if value == k else no
            case syscalls.JUMP_GREATER:
                at += yes if value > k else no
            case syscalls.JUMP_SET:
                at += yes if value & k else no
            case 0x54:
                value &= k
            case syscalls.RETURN:
                return k
            case _:
                raise AssertionError(f"no such instruction: {kind:#x}")
    raise AssertionError("the program does not end")


@pytest.fixture(params=sorted(OTHER))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def asked(machine: str, name: str, *arguments: int) -> int:
    numbers = {**MACHINES[machine].calls, **COMMON, **OTHER[machine]}
    program = filter_program(machine)
    assert program is not None
    return verdict(program, numbers[name], arguments, architecture=MACHINES[machine].audit)


EVERYWHERE = (
    "mount",
    "umount2",
    "pivot_root",
    "unshare",
    "setns",
    "chroot",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "keyctl",
    "add_key",
    "request_key",
    "bpf",
    "userfaultfd",
    "perf_event_open",
    "open_by_handle_at",
    "kexec_load",
    "init_module",
    "reboot",
    "settimeofday",
    "move_mount",
    "fsopen",
    "open_tree",
    "mount_setattr",
    "pidfd_getfd",
    "swapon",
    "syslog",
    "acct",
    "quotactl",
    "msgget",
)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_no_build_needs_is_refused(machine: str, name: str) -> None:
    assert asked(machine, name) == ERRNO | errno.EPERM


@pytest.mark.parametrize("name", ["clone3", "io_uring_setup", "memfd_create", "memfd_secret"])
def test_what_programs_can_do_otherwise_is_not_there(machine: str, name: str) -> None:
    assert asked(machine, name) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("name", ["read", "execve", "openat2"])
def test_the_rest_is_allowed(machine: str, name: str) -> None:
    assert asked(machine, name) == ALLOW


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        *(("socket", (family, 1, 0), 0) for family in (1, 2, 10)),
        *(
            ("socket", (family, 1, 0), errno.EAFNOSUPPORT)
            for family in (0, 3, 16, 17, 31, 38, 40, 44, 46, 2**31)
        ),
        # The kernel takes the lower half of the register for the family.
        ("socket", (2**32 + 40, 1, 0), errno.EAFNOSUPPORT),
        ("socket", (2**32 + 2, 1, 0), 0),
        ("socketpair", (1, 1, 0), 0),
        ("socketpair", (16, 1, 0), errno.EAFNOSUPPORT),
        ("clone", (0x01200011,), 0),
        ("clone", (0x003D0F00,), 0),
        *(
            ("clone", (flag,), errno.EPERM)
            for flag in (
                0x80,
                0x20000,
                0x2000000,
                0x4000000,
                0x8000000,
                0x10000000,
                0x20000000,
                0x40000000,
            )
        ),
        ("clone", (0x10000000 | 2**40,), errno.EPERM),
        ("ioctl", (0, 0x5412), errno.EPERM),
        ("ioctl", (0, 2**32 + 0x5412), errno.EPERM),
        ("ioctl", (0, 0x541C), errno.EPERM),
        ("ioctl", (0, 0x5413), 0),
        ("shmget", (0, 56), 0),
        ("shmget", (0, 65_537), errno.EPERM),
        ("shmget", (0, 2**32), errno.EPERM),
        ("personality", (0xFFFFFFFF,), 0),
        ("personality", (0x0040000,), 0),
        ("personality", (0x0400000,), errno.EPERM),
        ("mknodat", (0, 0, 0o010644), 0),
        ("mknodat", (0, 0, 0o020644), errno.EPERM),
        ("mknodat", (0, 0, 0o060644), errno.EPERM),
    ],
)
def test_some_depend_on_what_is_asked(
    machine: str, name: str, arguments: tuple[int, ...], code: int
) -> None:
    assert asked(machine, name, *arguments) == (ERRNO | code if code else ALLOW)


def test_calls_the_kernel_learns_later_are_not_there(machine: str) -> None:
    program = filter_program(machine)
    assert program is not None
    later = [
        verdict(program, number, architecture=MACHINES[machine].audit)
        for number in range(syscalls.NEWEST + 1, 1200)
    ]
    assert set(later) == {ERRNO | errno.ENOSYS}


def test_other_instruction_sets_of_the_machine_are_refused_whole(machine: str) -> None:
    program = filter_program(machine)
    assert program is not None
    assert {verdict(program, number, architecture=I386) for number in range(500)} == {KILL}
    x32 = [
        verdict(program, 0x40000000 + number, architecture=MACHINES[machine].audit)
        for number in (0, 59, 101, 520)
    ]
    assert set(x32) == {KILL}


def test_every_path_through_the_program_ends(machine: str) -> None:
    program = filter_program(machine)
    assert program is not None
    for number in range(600):
        verdict(program, number, (2**64 - 1,) * 6, architecture=MACHINES[machine].audit)


def test_a_machine_that_is_not_known_has_no_filter() -> None:
    assert filter_program("riscv64") is None
