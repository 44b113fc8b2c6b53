"""The sandbox: bubblewrap (bwrap(1), 0.8 or newer).

What a command sees: /usr and its links, the toolchain, a stub of /etc, its own /proc, /dev and /tmp, and the tree at `/build`.
What it does not: home, the data directory, /run, /var, other processes, any network but its own loopback, the worker's
environment. It holds no capability, cannot make namespaces, and dies with the worker.

Bounds: wall clock, CPU seconds, 8 GB of data and 1 GB a file for each process, 4,096 processes where the service does not
run as root (the kernel exempts uid 0), and the output.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from cihealing.adapters import process
from cihealing.adapters.sandbox.toolchain import default_toolchain, variables
from cihealing.ports import Ran, TransientError

BUILD, RESULTS, HOME = "/build", "/results", "/tmp/home"  # noqa: S108  (paths inside the sandbox, fresh for each run)
USER = "1000"
TMP_SIZE = 2 * 1024**3
START_TIMEOUT = 15.0

ETC = {
    "passwd": f"build:x:{USER}:{USER}:build:{HOME}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": f"build:x:{USER}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
}
HOST_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "ssl/certs", "ssl/openssl.cnf", "mime.types")

LIMIT_OUTSIDE = """\
ulimit -c 0; ulimit -f 2097152; ulimit -n 4096; ulimit -d 8388608; ulimit -t "$1"; shift
exec "$@"
"""
"""`ulimit` counts files in blocks of 512 bytes and memory in KiB. A limit that is lower already stays."""

LIMIT_INSIDE = """\
ulimit -p 4096 2>/dev/null || ulimit -u 4096 2>/dev/null || :
{ echo 900 >/proc/self/oom_score_adj; } 2>/dev/null || :
exec /bin/sh -c "$1"
"""
"""Processes are counted for each user namespace, so this limit is set within; short of memory, the kernel ends the command first."""


class Bubblewrap:
    name = "bubblewrap"

    def __init__(self, *, toolchain: Sequence[Path] | None = None, program: str | None = None) -> None:
        """`toolchain`: paths outside /usr that are shown read-only at the same place, their `bin` first on PATH."""
        self.toolchain = tuple(default_toolchain() if toolchain is None else toolchain)
        self.program = program or shutil.which("bwrap") or "bwrap"

    def available(self) -> str | None:
        """None where it works here, else why not (not installed, namespaces forbidden)."""
        with tempfile.TemporaryDirectory(prefix="cihealing-probe-") as tree:
            try:
                ran = self.run("echo alive", tree=Path(tree), workdir=".", environment={}, timeout=START_TIMEOUT)
            except TransientError as error:
                return str(error)
        return None if ran.output == "alive\n" and ran.exit_code == 0 else f"bubblewrap does not work here: {ran.output.strip()[:300]}"

    def inside(self, results: Path) -> str:
        """Where the command finds the results directory."""
        return RESULTS

    def run(
        self, command: str, *, tree: Path, workdir: str, environment: Mapping[str, str], timeout: float, results: Path | None = None
    ) -> Ran:  # fmt: skip
        """As `Sandbox.run`; `results` is shown writable besides the tree. Raises TransientError, Cancelled."""
        process.check_cancelled()
        process.require_workdir(tree, workdir)
        with etc() as stub, process.output_file() as output:
            options = self.options(tree=tree, workdir=workdir, environment=environment, results=results, stub=stub)
            ended = self._supervised(command, options=options, timeout=timeout, output=output)
            text, cut = process.read_bounded(output)
        if ended is None:
            raise TransientError(f"bubblewrap could not start: {text.strip()[:300] or 'no message'}")
        return process.ran(ended, output=text, truncated=cut)

    def _supervised(self, command: str, *, options: Sequence[str], timeout: float, output: BinaryIO) -> process.Ended | None:
        """None where the command never began."""
        with closing_pipe() as (status, report), anonymous(b"\0".join(map(os.fsencode, options)) + b"\0") as arguments:
            try:
                child = self._start(command, timeout=timeout, output=output, descriptors=(arguments, report))
            finally:
                os.close(report)
            first = read_line(status, timeout=START_TIMEOUT)
            with watched(first) as inner:
                ended = process.supervise(child, timeout=timeout, stop=lambda: process.kill_group(child), output=output)
                wait_until_gone(inner)
            code = exit_code(drain(status))
        if ended.timed_out or ended.flooded:
            return ended
        return None if code is None else process.Ended(exit_code=code, seconds=ended.seconds)

    def _start(self, command: str, *, timeout: float, output: BinaryIO, descriptors: tuple[int, int]) -> subprocess.Popen[bytes]:
        arguments, report = descriptors
        inner = ["/bin/sh", "-c", LIMIT_INSIDE, "sh", command]
        wrap = [self.program, "--args", str(arguments), "--json-status-fd", str(report), "--", *inner]
        return subprocess.Popen(
            ["/bin/sh", "-c", LIMIT_OUTSIDE, "sh", str(int(timeout) + 60), *wrap],
            env={"PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=descriptors,
            start_new_session=True, cwd="/",
        )  # fmt: skip

    def options(self, *, tree: Path, workdir: str, environment: Mapping[str, str], results: Path | None, stub: Path) -> list[str]:
        """bwrap's options; they go through a descriptor, so that `ps` shows no environment."""
        return [
            *ISOLATION,
            *system(), *configuration(stub), *FRESH, *self._shown(),
            "--bind", str(tree.resolve()), BUILD,
            *(["--bind", str(results.resolve()), RESULTS] if results else []),
            "--remount-ro", "/",
            "--chdir", str(Path(BUILD) / workdir),
            *self._variables(environment),
        ]  # fmt: skip

    def _shown(self) -> list[str]:
        hidden = dict.fromkeys(p for shown in self.toolchain for p in reversed(shown.parents) if p != Path("/"))
        # Searchable, not listable: what lies beside the toolchain is nobody's business.
        ways = [option for p in hidden for option in ("--perms", "0111", "--dir", str(p))]
        return ways + [option for p in self.toolchain for option in ("--ro-bind", str(p.resolve()), str(p))]

    def _variables(self, environment: Mapping[str, str]) -> list[str]:
        own = {"HOME": HOME, "TMPDIR": "/tmp", **variables(self.toolchain)}  # noqa: S108
        return ["--clearenv", *(part for name, value in {**own, **environment}.items() for part in ("--setenv", name, value))]


ISOLATION = (
    "--unshare-user", "--unshare-all", "--disable-userns", "--uid", USER, "--gid", USER, "--hostname", "build",
    # bwrap run by root keeps every capability unless told otherwise.
    "--cap-drop", "ALL", "--die-with-parent", "--new-session",
)  # fmt: skip

FRESH = (
    "--proc", "/proc", "--dev", "/dev",
    "--perms", "1777", "--size", str(TMP_SIZE), "--tmpfs", "/tmp", "--dir", HOME,  # noqa: S108
)  # fmt: skip


def system() -> list[str]:
    """/usr, and /bin, /lib … as this machine has them: links into /usr, or directories of their own."""
    options = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    return options


def configuration(stub: Path) -> list[str]:
    java = [str(p.relative_to("/etc")) for p in sorted(Path("/etc").glob("java-*-openjdk"))]
    options = [o for name in (*HOST_ETC, *java) for o in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")]
    return options + [o for name in ETC for o in ("--ro-bind", str(stub / name), f"/etc/{name}")]


@contextlib.contextmanager
def etc() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cihealing-etc-") as name:
        for file, content in ETC.items():
            (Path(name) / file).write_text(content)
        yield Path(name)


@contextlib.contextmanager
def anonymous(content: bytes) -> Iterator[int]:
    """A descriptor to read `content` from, without a name on any disk."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file.fileno()


@contextlib.contextmanager
def closing_pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose read end is closed at the end; the caller closes the write end once the child has it."""
    read, write = os.pipe()
    try:
        yield read, write
    finally:
        os.close(read)


def read_line(descriptor: int, *, timeout: float) -> bytes:
    """The first line, or what came until the end of file or the time-out (seconds)."""
    line, deadline = b"", time.monotonic() + timeout
    while not line.endswith(b"\n") and select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
        byte = os.read(descriptor, 1)
        if not byte:
            break
        line += byte
    return line


@contextlib.contextmanager
def watched(first: bytes) -> Iterator[int | None]:
    """A descriptor of the sandbox's first process, whose end is the end of everything in it."""
    pid = status(first).get("child-pid")
    try:
        descriptor = os.pidfd_open(pid) if isinstance(pid, int) else None
    except ProcessLookupError:
        descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def wait_until_gone(descriptor: int | None) -> None:
    """The kernel kills the namespace when its first process ends, and reports that end only after the last one is dead."""
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
