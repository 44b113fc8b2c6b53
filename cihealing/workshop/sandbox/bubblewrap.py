"""The sandbox: bubblewrap (bwrap(1), 0.8 or newer), started by `launch.py`, watched by `watch.py`.

What a command sees: /usr and its links, the toolchain, a stub of /etc, its own /proc, /dev and
/tmp, and the tree at `/tree`. What it does not: home, the data directory, /run, /var, /sys, other
processes, any network but its own loopback, the worker's environment. It is an unprivileged user
(of its own where the service is root), holds no capability, cannot make namespaces, meets a filter
of system calls, and dies with the worker. What it may take in all is policy (`Limits`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from cihealing.domain.policy import Limits
from cihealing.marks import mark
from cihealing.ports import Ran, TransientError
from cihealing.scratch import scratch
from cihealing.workshop import process
from cihealing.workshop.sandbox import cgroup, users
from cihealing.workshop.sandbox.command_line import CommandLine
from cihealing.workshop.sandbox.handles import (
    START_TIMEOUT,
    anonymous,
    closing_pipe,
    drain,
    exit_code,
    pid_of,
    read_line,
    wait_until_gone,
    watched,
)
from cihealing.workshop.sandbox.orders import Order, Sources, give, stage
from cihealing.workshop.sandbox.syscalls import filter_program
from cihealing.workshop.sandbox.system import RESULTS
from cihealing.workshop.sandbox.toolchain import default_toolchain
from cihealing.workshop.sandbox.walls import Walls
from cihealing.workshop.sandbox.watch import Watch

LAUNCH = Path(__file__).with_name("launch.py")
MB = 1024 * 1024
OPEN_FILES = 4096
SPARE = 64
"""Processes between the bound that is watched and the one the kernel refuses at."""

LIMIT_INSIDE = """\
ulimit -p "$2" 2>/dev/null || ulimit -u "$2" 2>/dev/null || :
{ echo 900 >/proc/self/oom_score_adj; } 2>/dev/null || :
exec /bin/sh -c "$1"
"""
"""Processes are counted for each user namespace, so this limit is set within; short of memory, the
kernel ends the command first.
"""


class Bubblewrap(CommandLine):
    name = "bubblewrap"

    def __init__(
        self,
        *,
        toolchain: Sequence[Path] | None = None,
        program: str | None = None,
        walls: Walls | None = None,
        limits: Limits | None = None,
    ) -> None:
        """`toolchain`: paths outside /usr that are shown read-only at the same place, their `bin`
        first on PATH.
        """
        self.toolchain = tuple(default_toolchain() if toolchain is None else toolchain)
        self.program = program or shutil.which("bwrap") or "/usr/bin/bwrap"
        self.walls = walls or Walls()
        self.limits = limits or Limits()

    def available(self) -> str | None:
        """None where it works here, else why not (not installed, namespaces forbidden)."""
        with scratch("probe") as tree:
            try:
                ran = self.run(
                    "echo alive", tree=tree, workdir=".", environment={}, timeout=START_TIMEOUT
                )
            except TransientError as error:
                return str(error)
        return (
            None
            if ran.output == "alive\n" and ran.exit_code == 0
            else f"bubblewrap does not work here: {ran.output.strip()[:300]}"
        )

    def lacking(self) -> dict[str, str]:
        """Walls this machine cannot have, each with the reason."""
        found = {
            "own_uid": users.trouble(),
            "syscalls": None if filter_program() else "no filter for this kind of processor",
        }
        return {name: why for name, why in found.items() if why is not None}

    def inside(self, results: Path) -> str:
        """Where the command finds the results directory."""
        return RESULTS

    def run(
        self,
        command: str,
        *,
        tree: Path,
        workdir: str,
        environment: Mapping[str, str],
        timeout: float,
        results: Path | None = None,
    ) -> Ran:
        """As `Sandbox.run`; `results` is shown writable besides the tree. Raises TransientError,
        Cancelled.
        """
        process.check_cancelled()
        process.require_workdir(tree, workdir)
        with self._user(tree) as uid, self._group() as group, process.output_file() as output:
            for place in filter(None, (tree, results)):
                if place.lstat().st_uid != uid:
                    give(place, uid)
            order = Order(
                command=command,
                tree=tree.resolve(),
                workdir=workdir,
                environment=environment,
                timeout=timeout,
                results=results and results.resolve(),
                uid=uid,
                group=group,
            )
            ended = self._supervised(order, output)
            text, cut = process.read_bounded(output)
        if ended is None:
            raise TransientError(
                f"bubblewrap could not start: {text.strip()[:300] or 'no message'}"
            )
        return process.ran(ended, output=text, truncated=cut)

    @contextlib.contextmanager
    def _user(self, tree: Path) -> Iterator[int]:
        """The user the command runs as: the one the tree was made for, else one for this command
        alone.
        """
        owner = tree.lstat().st_uid
        if not self.walls.own_uid:
            yield os.getuid()
        elif users.is_ours(owner):
            yield owner
        else:
            with users.lease() as uid:
                yield uid

    @contextlib.contextmanager
    def _group(self) -> Iterator[cgroup.ControlGroup | None]:
        if not self.walls.totals:
            yield None
            return
        with cgroup.group(self.limits) as group:
            yield group

    def _supervised(self, order: Order, output: BinaryIO) -> process.Ended | None:
        """None where the command never began."""
        began = time.time()
        with closing_pipe() as (status, report), contextlib.ExitStack() as files:
            child = self._start(order, output=output, report=report, files=files)
            first = read_line(status, timeout=START_TIMEOUT)
            with watched(first) as inner:
                watch = self._watch(order, first=pid_of(first), began=began)
                exceeded = self._exceeded(order, watch, output=output)
                ended = process.supervise(
                    child,
                    timeout=order.timeout,
                    stop=lambda: process.kill_group(child),
                    exceeded=exceeded,
                )
                wait_until_gone(inner)
            code = exit_code(drain(status))
        if ended.exceeded and watch is not None and watch.unexplained:
            raise TransientError(
                f"the command was ended: {ended.exceeded} came to an end, or went where nobody"
                " could count it"
            )
        if ended.timed_out or ended.exceeded:
            return ended
        return None if code is None else process.Ended(exit_code=code, seconds=ended.seconds)

    def _watch(self, order: Order, *, first: int | None, began: float) -> Watch | None:
        """None where nothing runs, or nothing is to be bounded."""
        places = [p for p in (order.tree, order.results) if p is not None]
        return (
            Watch(limits=self.limits, first=first, places=places, began=began)
            if first is not None and self.walls.totals
            else None
        )

    def _exceeded(self, order: Order, watch: Watch | None, *, output: BinaryIO) -> process.Exceeded:
        """Asked in turn: the output, the kernel's own counts, the watch."""
        if not self.walls.totals:
            return lambda: ""
        flood = process.flood(output, limit_mb=self.limits.output_mb)
        counted = order.group
        return lambda: (
            flood()
            or (counted.exceeded(self.limits) if counted else "")
            or (watch.exceeded() if watch else "")
        )

    def _start(
        self, order: Order, *, output: BinaryIO, report: int, files: contextlib.ExitStack
    ) -> subprocess.Popen[bytes]:
        sources = self._sources(order)
        given: list[int] = []

        def descriptor(content: bytes) -> str:
            given.append(files.enter_context(anonymous(content)))
            return str(given[-1])

        options = self.options(order, sources=sources, descriptor=descriptor)
        arguments = descriptor(b"\0".join(map(os.fsencode, options)) + b"\0")
        # Above the bound, so that the watch comes to see it exceeded.
        most = self.limits.processes + SPARE if self.walls.totals else OPEN_FILES
        inner = ["/bin/sh", "-c", LIMIT_INSIDE, "sh", order.command, str(most)]
        wrap = [self.program, "--args", arguments, "--json-status-fd", str(report), "--", *inner]
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(LAUNCH), *self._plan(order, sources), "--", *wrap],
                env={"PATH": "/usr/bin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(*given, report),
                start_new_session=True,
                cwd="/",
            )
        finally:
            os.close(report)

    def _sources(self, order: Order) -> Sources:
        """A user of its own cannot reach into private directories, so what is shown is bound
        elsewhere for it.
        """
        paths = tuple(
            dict.fromkeys(
                [order.tree, *filter(None, [order.results]), *(p.resolve() for p in self.toolchain)]
            )
        )
        return Sources(paths=paths, stage=stage() if order.uid != os.getuid() else "")

    def _plan(self, order: Order, sources: Sources) -> list[str]:
        """What `launch.py` is told."""
        own = order.uid != os.getuid()
        limits = self._limits(order.timeout, own=own)
        told = [
            f"parent={os.getpid()}",
            f"mark={mark()}",
            *(f"limit:{name}={value}" for name, value in limits.items()),
        ]
        told += [f"cgroup={order.group.path}"] if order.group else []
        return (
            [
                *told,
                f"uid={order.uid}",
                f"stage={sources.stage}",
                *(f"bind={path}" for path in sources.paths),
            ]
            if own
            else told
        )

    def _limits(self, timeout: float, *, own: bool) -> dict[str, int]:
        """Of each process. The user's processes are counted in all where nobody else is that user
        (a few are bubblewrap's).
        """
        each = {
            # One byte: at 0 the kernel still starts a crash handler that `core_pattern` pipes to,
            # as root and outside.
            "RLIMIT_CORE": 1,
            "RLIMIT_FSIZE": 1024 * MB,
            "RLIMIT_NOFILE": OPEN_FILES,
            "RLIMIT_CPU": int(timeout) + 60,
            # Not RLIMIT_AS: node, Go and the JVM reserve far more address space than they ever
            # touch.
            "RLIMIT_DATA": max(8192, 4 * self.limits.memory_mb) * MB,
            "RLIMIT_MSGQUEUE": MB,
            "RLIMIT_MEMLOCK": 64 * MB,
        }
        return (
            {**each, "RLIMIT_NPROC": self.limits.processes + SPARE}
            if own and self.walls.totals
            else each
        )
