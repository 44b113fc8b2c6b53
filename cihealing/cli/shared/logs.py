"""Logs as commands are given them: a file, standard input, gzip, GitHub's log archive. Read in
pieces, and no further than a bound.
"""

from __future__ import annotations

import gzip
import re
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from cihealing.reading.bounded import NO_END, Bound

PIECE = 1 << 20
MAX_SIZE, MAX_SECONDS = 1 << 30, 20.0
"""Bytes unpacked, and seconds of this process's own work (waiting for a pipe is none), of one file
given.
"""
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
JOB = re.compile(r"-?\d+_(?P<job>[^/]+)\.txt$")
STEP = re.compile(r"(?P<job>.+)/(?P<position>\d+)_[^/]+\.txt$")


class UnreadableLog(Exception):
    """The message names the file and says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """One log. `size` in bytes as stored, 0 where it is not known. All logs of one file share its
    bound.
    """

    name: str
    size: int
    whole: Callable[[], Iterator[bytes]]
    bound: Bound

    def pieces(self) -> Iterator[bytes]:
        """May be asked for once; `bound.cut` then says what was left unread."""
        return self.bound.over(self.whole())


def bound(*, size: float = MAX_SIZE, seconds: float = MAX_SECONDS) -> Bound:
    """For one file given; 0 is no bound."""
    return Bound(size or NO_END, seconds or NO_END, time.process_time)


def sources(path: str, within: Bound | None = None) -> list[Source]:
    """One for a file, one a job for GitHub's archive. Raises UnreadableLog."""
    within = within or bound()
    if path == "-":
        return [Source(path, 0, lambda: read_in_pieces(sys.stdin.buffer), within)]
    try:
        with Path(path).open("rb") as file:
            start = file.read(4)
        size = Path(path).stat().st_size
        if start == ZIP:
            return archived(path, within)
    except (OSError, zipfile.BadZipFile) as error:
        raise UnreadableLog(f"Cannot read {path}: {reason(error)}") from error
    packed = start.startswith(GZIP)
    return [
        Source(
            path,
            size,
            lambda: guarded(path, lambda stack: [stack.enter_context(opened(path, packed=packed))]),
            within,
        )
    ]


def opened(path: str, *, packed: bool) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if packed else Path(path).open("rb")


def archived(path: str, within: Bound) -> list[Source]:
    """GitHub writes a file for each job and, in a folder of its name, one for each step: they count
    where the job's own is missing.
    """
    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        sizes = {info.filename: info.compress_size for info in archive.infolist()}
    jobs: dict[str, list[str]] = {
        match["job"]: [name] for name in names if (match := JOB.match(name))
    }
    steps: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if (step := STEP.match(name)) and step["job"] not in jobs:
            steps.setdefault(step["job"], []).append((int(step["position"]), name))
    jobs |= {job: [name for _, name in sorted(found)] for job, found in steps.items()}
    jobs = jobs or {name: [name] for name in names if name.endswith((".txt", ".log"))}
    if not jobs:
        raise UnreadableLog(f"Cannot read {path}: there is no log in this archive")
    return [
        Source(f"{path}:{job}", sum(sizes[p] for p in parts), members(path, parts), within)
        for job, parts in jobs.items()
    ]


def members(path: str, names: list[str]) -> Callable[[], Iterator[bytes]]:
    def files(stack: ExitStack) -> Iterator[IO[bytes]]:
        archive = stack.enter_context(zipfile.ZipFile(path))
        return (stack.enter_context(archive.open(name)) for name in names)

    return lambda: guarded(path, files)


def guarded(
    path: str, files: Callable[[ExitStack], Iterator[IO[bytes]] | list[IO[bytes]]]
) -> Iterator[bytes]:
    try:
        with ExitStack() as stack:
            for file in files(stack):
                yield from read_in_pieces(file)
    except (
        OSError,
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise UnreadableLog(f"Cannot read {path}: {reason(error)}") from error


def read_in_pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
