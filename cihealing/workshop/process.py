"""One process under supervision: wall clock, bounded output, and an end from another thread.

Output goes to a file, never to a pipe: a child that left its group could hold a pipe open for ever.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from cihealing.ports import Cancelled, PermanentError, Ran
from cihealing.tree import Tree

HEAD, TAIL = 512 * 1024, 1536 * 1024
"""Bytes of output kept from the start and from the end; what lies between is left out and
counted.
"""

FLOOD_MB = 10
"""Megabytes of output after which a process is ended, where the caller names no other bound."""

TICK = 0.05
GRACE = 5.0
REAPER = Path(__file__).with_name("reaper.py")
TIE = ("setpriv", "--pdeathsig", "KILL")
STILL_OURS = '[ "$PPID" = "$0" ] && exec "$@"'
"""Closes the gap in which the parent ended before the signal was asked for."""

LIMITS: Mapping[str, int] = {
    # One byte: at 0 the kernel still starts a crash handler that `core_pattern` pipes to, as root
    # and outside.
    "RLIMIT_CORE": 1,
    "RLIMIT_FSIZE": 1024**3,
    "RLIMIT_NOFILE": 4096,
    # Not RLIMIT_AS: node, Go and the JVM reserve far more address space than they ever touch.
    "RLIMIT_DATA": 8 * 1024**3,
}

_event: ContextVar[threading.Event | None] = ContextVar("cihealing_cancel", default=None)


@contextlib.contextmanager
def cancelling(event: threading.Event) -> Iterator[None]:
    """Processes started in this context are killed, and `Cancelled` is raised, soon (0.1 s) after
    `event` is set.
    """
    token = _event.set(event)
    try:
        yield
    finally:
        _event.reset(token)


def check_cancelled() -> None:
    event = _event.get()
    if event is not None and event.is_set():
        raise Cancelled("called off")


@dataclass(frozen=True, kw_only=True)
class Ended:
    exit_code: int | None
    seconds: float
    timed_out: bool = False
    exceeded: str = ""
    """Which bound was exceeded, in words; the process was ended for it."""


Exceeded = Callable[[], str]
"""Says in words which bound is exceeded now; empty while none is. Asked every tick."""


def supervise(
    process: subprocess.Popen[bytes],
    *,
    timeout: float,
    stop: Callable[[], None],
    exceeded: Exceeded,
) -> Ended:
    """Wait for the end, or bring it about with `stop`. Raises Cancelled. The caller's thread must
    be the one that started it.
    """
    started = time.monotonic()
    timed_out, beyond = False, ""
    with _end_of(process) as end:
        while not (timed_out or beyond or select.select([end], [], [], TICK)[0]):
            _stop_if_cancelled(process, stop)
            timed_out = time.monotonic() - started >= timeout
            beyond = "" if timed_out else exceeded()
    if timed_out or beyond:
        stop()
    code = process.wait()
    beyond = beyond or ("" if timed_out else exceeded())
    seconds = time.monotonic() - started
    return Ended(
        exit_code=None if timed_out or beyond else code,
        seconds=seconds,
        timed_out=timed_out,
        exceeded=beyond,
    )


@contextlib.contextmanager
def _end_of(process: subprocess.Popen[bytes]) -> Iterator[int]:
    """A descriptor that becomes readable when the process ends."""
    descriptor = os.pidfd_open(process.pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def flood(output: BinaryIO, *, limit_mb: int = FLOOD_MB) -> Exceeded:
    """Watches that no more than `limit_mb` megabytes are written to `output`: disks are finite."""

    def exceeded() -> str:
        return (
            f"more than {limit_mb} MB of output"
            if os.fstat(output.fileno()).st_size > limit_mb * 1024 * 1024
            else ""
        )

    return exceeded


def crowd(output: BinaryIO, *, most: int) -> Exceeded:
    """Watches that no more than `most` entries, each with a NUL at its end, are written to
    `output`.
    """
    read = found = 0

    def exceeded() -> str:
        nonlocal read, found
        size = os.fstat(output.fileno()).st_size
        found += os.pread(output.fileno(), size - read, read).count(b"\0")
        read = size
        return f"more than {most:,} entries" if found > most else ""

    return exceeded


def _stop_if_cancelled(process: subprocess.Popen[bytes], stop: Callable[[], None]) -> None:
    event = _event.get()
    if event is not None and event.is_set():
        stop()
        process.wait()
        raise Cancelled("called off")


def kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def read_bounded(file: BinaryIO) -> tuple[str, bool]:
    """Head and tail of what was written, and whether something between was left out."""
    size = os.fstat(file.fileno()).st_size
    if size <= HEAD + TAIL:
        return _text(_slice(file, 0, size)), False
    left_out = size - HEAD - TAIL
    head, tail = _slice(file, 0, HEAD), _slice(file, size - TAIL, TAIL)
    return f"{_text(head)}\n[... {left_out} bytes of output left out ...]\n{_text(tail)}", True


def _slice(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def _text(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")


def output_file() -> BinaryIO:
    # O_APPEND: several writers of one log must not overwrite each other.
    descriptor, name = tempfile.mkstemp(prefix="cihealing-output-")
    os.close(descriptor)
    try:
        return open(name, "a+b", buffering=0)  # noqa: PTH123  (the caller closes it)
    finally:
        Path(name).unlink()


def reaped(argv: Sequence[str], *, limits: Mapping[str, int] = LIMITS) -> list[str]:
    """`argv` below a reaper that leaves no process behind, however the worker dies."""
    return [
        sys.executable,
        "-I",
        "-S",
        str(REAPER),
        str(os.getpid()),
        json.dumps(dict(limits)),
        "--",
        *argv,
    ]


def tied(argv: Sequence[str]) -> list[str]:
    """`argv`, killed by the kernel when the thread that starts it ends, as all do with a worker
    that is killed. What it starts itself lives on: where that matters, use `reaped`.

    Costs 1 ms, a reaper 80: for what is called often. Where nothing can tie it, it runs untied.
    """
    return [*TIE, "sh", "-c", STILL_OURS, str(os.getpid()), *argv] if _ties() else list(argv)


@cache
def _ties() -> bool:
    """Whether setpriv is here and of util-linux: busybox has one that knows no parents."""
    try:
        return subprocess.run([*TIE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def stop_reaper(process: subprocess.Popen[bytes]) -> None:
    """Let the reaper end what it watches; kill it only when it does not answer."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        kill_group(process)


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    timeout: float,
    limits: Mapping[str, int] = LIMITS,
    output_mb: int = FLOOD_MB,
) -> Ran:
    """Run below a reaper, standard error with the output. Raises Cancelled; OSError where `cwd` is
    gone.
    """
    check_cancelled()
    with output_file() as output:
        process = subprocess.Popen(
            reaped(argv, limits={**limits, "RLIMIT_CPU": int(timeout) + 60}),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        exceeded = flood(output, limit_mb=output_mb)
        ended = supervise(
            process, timeout=timeout, stop=lambda: stop_reaper(process), exceeded=exceeded
        )
        text, cut = read_bounded(output)
    return ran(ended, output=text, truncated=cut)


def require_workdir(tree: Path, workdir: str) -> None:
    """Raises PermanentError where the tree has no such directory, or it leads elsewhere."""
    if not Tree(root=tree).has_directory(workdir):
        raise PermanentError(
            f"the repository has no directory {workdir!r}: correct the project's `path`"
        )


def ran(ended: Ended, *, output: str, truncated: bool) -> Ran:
    return Ran(
        exit_code=ended.exit_code,
        output=output,
        seconds=ended.seconds,
        timed_out=ended.timed_out,
        truncated=truncated,
        exceeded=ended.exceeded,
    )
