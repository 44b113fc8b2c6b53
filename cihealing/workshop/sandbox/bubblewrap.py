"""The sandbox: bubblewrap (bwrap(1), 0.8 or newer), started by `launch.py`, watched by `watch.py`.

What a command sees: /usr and its links, the toolchain, a stub of /etc, its own /proc, /dev and
/tmp, and the tree at `/build`. What it does not: home, the data directory, /run, /var, /sys, other
processes, any network but its own loopback, the worker's environment. It is an unprivileged user
(of its own where the service is root), holds no capability, cannot make namespaces, meets a filter
of system calls, and dies with the worker. What it may take in all is policy (`Limits`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from cihealing.domain.policy import Limits
from cihealing.marks import mark
from cihealing.ports import PermanentError, Ran, TransientError
from cihealing.tree import TooLarge, Tree, scratch
from cihealing.workshop import process
from cihealing.workshop.sandbox import cgroup, users
from cihealing.workshop.sandbox.syscalls import filter_program
from cihealing.workshop.sandbox.toolchain import default_toolchain, variables
from cihealing.workshop.sandbox.walls import Walls
from cihealing.workshop.sandbox.watch import Watch

BUILD, RESULTS, HOME = ("/build", "/results", "/tmp/home")  # noqa: S108  (paths inside the sandbox, fresh for each run)
USER = "1000"
START_TIMEOUT = 15.0
LAUNCH = Path(__file__).with_name("launch.py")
STAGES = ("/mnt", "/media", "/srv")
"""Directories of this machine the sandbox has no use for: over one of them, seen by nobody else,
its sources are bound.
"""
MB = 1024 * 1024
OPEN_FILES = 4096
SLACK = 64
"""Processes between the bound that is watched and the one the kernel refuses at."""

ETC = {
    "passwd": (
        f"build:x:{USER}:{USER}:build:{HOME}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "group": f"build:x:{USER}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
}
HOST_ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
    "ssl/certs",
    "ssl/openssl.cnf",
    "mime.types",
)
MACHINE_WIDE = ("acpi", "asound", "bus", "fs", "irq", "scsi")
SECRETIVE = (
    "kcore",
    "keys",
    "key-users",
    "kmsg",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "sched_debug",
    "sysrq-trigger",
    "timer_list",
)
"""Directories and files of /proc that tell of, or act on, the whole machine."""

LIMIT_INSIDE = """\
ulimit -p "$2" 2>/dev/null || ulimit -u "$2" 2>/dev/null || :
{ echo 900 >/proc/self/oom_score_adj; } 2>/dev/null || :
exec /bin/sh -c "$1"
"""
"""Processes are counted for each user namespace, so this limit is set within; short of memory, the
kernel ends the command first.
"""


Descriptor = Callable[[bytes], str]
"""Makes a descriptor from which bubblewrap reads this content; its number."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where bubblewrap finds what it shows: each path itself, or (`stage`) the place it is bound to
    before.
    """

    paths: tuple[Path, ...]
    stage: str = ""

    def of(self, path: Path) -> str:
        return f"{self.stage}/{self.paths.index(path)}" if self.stage else str(path)


@dataclass(frozen=True, kw_only=True)
class Order:
    """One command to be run: over `tree` and, besides, `results`, as `uid`, in `group` where there
    is one.
    """

    command: str
    tree: Path
    workdir: str
    environment: Mapping[str, str]
    timeout: float
    results: Path | None
    uid: int
    group: cgroup.Group | None


class Bubblewrap:
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
    def _group(self) -> Iterator[cgroup.Group | None]:
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
        most = self.limits.processes + SLACK if self.walls.totals else OPEN_FILES
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
            {**each, "RLIMIT_NPROC": self.limits.processes + SLACK}
            if own and self.walls.totals
            else each
        )

    def options(self, order: Order, *, sources: Sources, descriptor: Descriptor) -> list[str]:
        """bwrap's options; they go through a descriptor, so that `ps` shows no environment."""
        return [
            *self._isolation(),
            *self._filter(descriptor),
            *(
                [*system(), *configuration(descriptor)]
                if self.walls.files
                else ["--dev-bind", "/", "/"]
            ),
            *self._proc(),
            *self._devices(),
            *self._scratch(),
            *self._shown(sources),
            "--bind",
            sources.of(order.tree),
            BUILD,
            *(["--bind", sources.of(order.results), RESULTS] if order.results else []),
            *(["--remount-ro", "/"] if self.walls.files else []),
            "--chdir",
            str(Path(BUILD) / order.workdir),
            *self._variables(order.environment),
        ]

    def _isolation(self) -> list[str]:
        walls = self.walls
        chosen = {
            "--unshare-pid": walls.processes,
            "--unshare-net": walls.network,
            "--unshare-ipc": walls.ipc,
            "--unshare-uts": walls.ipc,
            "--unshare-cgroup-try": walls.ipc,
            "--disable-userns": walls.namespaces,
            "--new-session": walls.session,
        }
        named = ["--hostname", "build"] if walls.ipc else []
        # bwrap run by root keeps every capability unless told otherwise.
        return [
            "--unshare-user",
            *(o for o, on in chosen.items() if on),
            *named,
            "--uid",
            USER,
            "--gid",
            USER,
            "--cap-drop",
            "ALL",
            "--die-with-parent",
        ]

    def _filter(self, descriptor: Descriptor) -> list[str]:
        program = filter_program() if self.walls.syscalls else None
        return [] if program is None else ["--seccomp", descriptor(program)]

    def _proc(self) -> list[str]:
        if not self.walls.proc:
            return ["--proc", "/proc"]
        wide = [name for name in MACHINE_WIDE if Path("/proc", name).is_dir()]
        covered = [
            o
            for name in wide
            for o in ("--tmpfs", f"/proc/{name}", "--remount-ro", f"/proc/{name}")
        ]
        silent = [
            o
            for name in SECRETIVE
            if Path("/proc", name).exists()
            for o in ("--ro-bind", "/dev/null", f"/proc/{name}")
        ]
        return ["--proc", "/proc", *covered, *silent, "--ro-bind", "/proc/sys", "/proc/sys"]

    def _devices(self) -> list[str]:
        if not self.walls.devices:
            return ["--dev", "/dev"]
        size = str(self.limits.shm_mb * MB)
        return [
            "--dev",
            "/dev",
            "--remount-ro",
            "/dev",
            "--perms",
            "1777",
            "--size",
            size,
            "--tmpfs",
            "/dev/shm",  # noqa: S108
        ]

    def _scratch(self) -> list[str]:
        size = ["--size", str(self.limits.tmp_mb * MB)] if self.walls.totals else []
        return ["--perms", "1777", *size, "--tmpfs", "/tmp", "--dir", HOME]  # noqa: S108

    def _shown(self, sources: Sources) -> list[str]:
        hidden = dict.fromkeys(
            p for shown in self.toolchain for p in reversed(shown.parents) if p != Path("/")
        )
        # Searchable, not listable: what lies beside the toolchain is nobody's business.
        ways = (
            [option for p in hidden for option in ("--perms", "0111", "--dir", str(p))]
            if self.walls.files
            else []
        )
        return ways + [
            option
            for p in self.toolchain
            for option in ("--ro-bind", sources.of(p.resolve()), str(p))
        ]

    def _variables(self, environment: Mapping[str, str]) -> list[str]:
        own = {"HOME": HOME, "TMPDIR": "/tmp", **variables(self.toolchain)}  # noqa: S108
        cleared = ["--clearenv"] if self.walls.environment else []
        return [
            *cleared,
            *(
                part
                for name, value in {**own, **environment}.items()
                for part in ("--setenv", name, value)
            ),
        ]


def give(place: Path, uid: int) -> None:
    """Raises PermanentError for a tree that nobody could look at."""
    try:
        Tree(root=place).give_to(uid)
    except TooLarge as error:
        raise PermanentError(f"the tree cannot be handed to the sandbox: {error}") from error


@cache
def stage() -> str:
    return next((place for place in STAGES if Path(place).is_dir()), "/tmp")  # noqa: S108


def system() -> list[str]:
    """/usr, and /bin, /lib … as this machine has them: links into /usr, or directories of their
    own.
    """
    options = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    return options


def configuration(descriptor: Descriptor) -> list[str]:
    java = [str(p.relative_to("/etc")) for p in sorted(Path("/etc").glob("java-*-openjdk"))]
    options = [
        o for name in (*HOST_ETC, *java) for o in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    ]
    own = ((name, descriptor(content.encode())) for name, content in ETC.items())
    return options + [
        o
        for name, number in own
        for o in ("--perms", "0644", "--ro-bind-data", number, f"/etc/{name}")
    ]


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
