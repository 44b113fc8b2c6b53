"""Logs as commands are given them: a file, standard input, gzip, GitHub's log archive. Read in pieces, whatever their size."""

from __future__ import annotations

import gzip
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

PIECE = 1 << 20
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
JOB = re.compile(r"-?\d+_(?P<job>[^/]+)\.txt$")
STEP = re.compile(r"(?P<job>.+)/(?P<position>\d+)_[^/]+\.txt$")


class Unreadable(Exception):
    """The message names the file and says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """One log. `size` in bytes as stored, 0 where it is not known; `pieces()` may be asked for once."""

    name: str
    size: int
    pieces: Callable[[], Iterator[bytes]]


def sources(path: str) -> list[Source]:
    """One for a file, one a job for GitHub's archive. Raises Unreadable."""
    if path == "-":
        return [Source(path, 0, lambda: read_in_pieces(sys.stdin.buffer))]
    try:
        with Path(path).open("rb") as file:
            start = file.read(4)
        size = Path(path).stat().st_size
        if start == ZIP:
            return archived(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise Unreadable(f"Cannot read {path}: {reason(error)}") from error
    return [Source(path, size, lambda: guarded(path, lambda stack: [stack.enter_context(opened(path, packed=start.startswith(GZIP)))]))]


def opened(path: str, *, packed: bool) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if packed else Path(path).open("rb")


def archived(path: str) -> list[Source]:
    """GitHub writes a file for each job and, in a folder of its name, one for each step: they count where the job's own is missing."""
    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        sizes = {info.filename: info.compress_size for info in archive.infolist()}
    jobs: dict[str, list[str]] = {match["job"]: [name] for name in names if (match := JOB.match(name))}
    steps: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if (step := STEP.match(name)) and step["job"] not in jobs:
            steps.setdefault(step["job"], []).append((int(step["position"]), name))
    jobs |= {job: [name for _, name in sorted(found)] for job, found in steps.items()}
    jobs = jobs or {name: [name] for name in names if name.endswith((".txt", ".log"))}
    if not jobs:
        raise Unreadable(f"Cannot read {path}: there is no log in this archive")
    return [Source(f"{path}:{job}", sum(sizes[p] for p in parts), members(path, parts)) for job, parts in jobs.items()]


def members(path: str, names: list[str]) -> Callable[[], Iterator[bytes]]:
    def files(stack: ExitStack) -> Iterator[IO[bytes]]:
        archive = stack.enter_context(zipfile.ZipFile(path))
        return (stack.enter_context(archive.open(name)) for name in names)

    return lambda: guarded(path, files)


def guarded(path: str, files: Callable[[ExitStack], Iterator[IO[bytes]] | list[IO[bytes]]]) -> Iterator[bytes]:
    try:
        with ExitStack() as stack:
            for file in files(stack):
                yield from read_in_pieces(file)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise Unreadable(f"Cannot read {path}: {reason(error)}") from error


def read_in_pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
