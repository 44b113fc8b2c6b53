"""What a test breaks on purpose: a PostgreSQL server of its own, and a small disk."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def as_postgres() -> list[str]:
    """The server refuses to run as root."""
    return (
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        if os.getuid() == 0
        else []
    )


def can_serve() -> bool:
    return (
        BINARIES is not None
        and (BINARIES / "initdb").exists()
        and (not as_postgres() or shutil.which("setpriv") is not None)
    )


@dataclass
class Server:
    """`stop(mode)` as pg_ctl says it: `fast` and `immediate`."""

    directory: Path
    port: int
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def control(self, *words: str) -> None:
        assert BINARIES is not None
        log = ["-l", str(self.directory / "log"), "-w"]
        # Set behind the change of user: faketime makes what only the first user may open.
        environment = ["env", *(f"{name}={value}" for name, value in self.environment.items())]
        command = [
            *as_postgres(),
            *environment,
            str(BINARIES / "pg_ctl"),
            "-D",
            str(self.directory / "data"),
            *log,
            *words,
        ]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.directory,
        )

    def start(self) -> None:
        self.control(
            "-o",
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c"
            f" unix_socket_directories={self.directory}",
            "start",
        )

    def stop(self, mode: str) -> None:
        self.control("-m", mode, "stop")

    def set_clock(self, offset: str) -> None:
        """`-2d` puts it back by two days."""
        (self.directory / "clock").write_text(f"{offset}\n")
        (self.directory / "clock").chmod(0o644)

    def signal(self, number: int) -> None:
        """To the server and all of its processes."""
        main = int((self.directory / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for process in (main, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(process, number)


@contextmanager
def postgresql(*, faketime: Path | None = None) -> Iterator[Server]:
    """An empty server, stopped and removed at the end. With faketime's library its clock can be
    set.
    """
    assert BINARIES is not None
    directory = Path(tempfile.mkdtemp(prefix="cihealing-pg-"))
    if as_postgres():
        shutil.chown(directory, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(directory, free.getsockname()[1], {})
    made = [
        *as_postgres(),
        str(BINARIES / "initdb"),
        "-D",
        str(directory / "data"),
        "-U",
        "postgres",
        "-A",
        "trust",
        "--no-sync",
    ]
    try:
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd=directory)
        if faketime:
            server.set_clock("+0")
            server.environment |= {
                "LD_PRELOAD": str(faketime),
                "FAKETIME_TIMESTAMP_FILE": str(directory / "clock"),
            }
            server.environment |= {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        server.start()
        yield server
    finally:
        with suppress(subprocess.CalledProcessError, OSError):
            server.signal(signal.SIGCONT)
            server.stop("immediate")
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def small_disk(directory: Path, *, megabytes: int) -> Iterator[Path]:
    """A file system of this size, mounted on `directory`."""
    directory.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)], check=True
    )
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def can_mount() -> bool:
    if os.getuid() != 0:
        return False
    failing = (subprocess.CalledProcessError, OSError)
    with (
        tempfile.TemporaryDirectory() as directory,
        suppress(*failing),
        small_disk(Path(directory) / "disk", megabytes=1),
    ):
        return True
    return False


def fill(disk: Path) -> Path:
    """Leaves no byte."""
    file = disk / "fill"
    with file.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(4096))
    return file
