"""Pipes, anonymous files and process handles around one start of bubblewrap."""

from __future__ import annotations

import contextlib
import json
import os
import select
import tempfile
import time
from collections.abc import Iterator

from cihealing.ports import TransientError

START_TIMEOUT = 15.0
"""Seconds until bubblewrap says that it has begun."""


@contextlib.contextmanager
def anonymous(content: bytes) -> Iterator[int]:
    """A descriptor to read `content` from, without a name on any disk."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file.fileno()


@contextlib.contextmanager
def closing_pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose read end is closed at the end; the caller closes the write end once the child
    has it.
    """
    read, write = os.pipe()
    try:
        yield read, write
    finally:
        os.close(read)


def read_line(descriptor: int, *, timeout: float) -> bytes:
    """The first line, or what came until the end of file or the time-out (seconds)."""
    line, deadline = b"", time.monotonic() + timeout
    while (
        not line.endswith(b"\n")
        and select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]
    ):
        byte = os.read(descriptor, 1)
        if not byte:
            break
        line += byte
    return line


@contextlib.contextmanager
def watched(first: bytes) -> Iterator[int | None]:
    """A descriptor of the sandbox's first process, whose end is the end of everything in it."""
    pid = pid_of(first)
    try:
        descriptor = None if pid is None else os.pidfd_open(pid)
    except ProcessLookupError:
        descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def pid_of(first: bytes) -> int | None:
    """The sandbox's first process, from bubblewrap's first report; None where it did not come to
    that.
    """
    pid = status(first).get("child-pid")
    return pid if isinstance(pid, int) else None


def wait_until_gone(descriptor: int | None) -> None:
    """The kernel kills the namespace when its first process ends, and reports that end only after
    the last one is dead.
    """
    if descriptor is not None and not select.select([descriptor], [], [], START_TIMEOUT)[0]:
        raise TransientError("the sandbox did not end within 15 s of being killed")


def drain(descriptor: int) -> bytes:
    content = b""
    while select.select([descriptor], [], [], 1.0)[0] and (chunk := os.read(descriptor, 4096)):
        content += chunk
    return content


def status(document: bytes) -> dict[str, object]:
    try:
        value = json.loads(document)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def exit_code(report: bytes) -> int | None:
    """The command's exit code; bwrap writes it only when the sandbox was set up."""
    codes = [status(line).get("exit-code") for line in report.splitlines()]
    return next((code for code in codes if isinstance(code, int)), None)
