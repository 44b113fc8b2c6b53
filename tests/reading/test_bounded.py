"""What is packed to be small, or never ends, is read to a bound, and said to be cut there."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from cihealing.cli.shared import logs
from cihealing.cli.shared.found import call_command
from cihealing.providers.shared import outbound as _outbound
from cihealing.reading.bounded import Bound

FAILED = (
    b"E   AssertionError: 4 == 3\nFAILED tests/test_a.py::test_x - assert 4 == 3\n1 failed in"
    b" 0.03s\n"
)
LINE = b"compiling module number 12, nothing to say about it\n"
BOMB = 64 << 20
"""Bytes; packed they are some 100 kB."""


class Clock:
    """One second a look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.mark.parametrize(
    ("size", "read", "cut"),
    [
        (5, b"abcde", "read to 5 bytes"),
        (4, b"abcd", "read to 4 bytes"),
        (6, b"abcdef", ""),
        (7, b"abcdef", ""),
        (0, b"", "read to 0"),
    ],
)
def test_bytes_are_counted_to_the_last_one(size: int, read: bytes, cut: str) -> None:
    within = Bound(size)
    assert b"".join(within.over([b"ab", b"cd", b"ef"])) == read
    assert within.cut.startswith(cut)
    assert bool(within.cut) == bool(cut)


def test_seconds_end_what_never_ends() -> None:
    within = Bound(float("inf"), seconds=10, clock=Clock())
    assert 5 < sum(1 for _ in within.over(itertools.repeat(b"x"))) <= 10
    assert within.cut == "read to 10 seconds of reading and not further"


def test_logs_of_one_archive_share_one_bound() -> None:
    within = Bound(5)
    assert [b"".join(within.over([b"abc"])) for _ in range(3)] == [b"abc", b"ab", b""]


def bomb(path: Path) -> Path:
    """A failure, then as many lines as are asked for: a good reader finds the first whatever it
    does about the others.
    """
    content = itertools.chain([FAILED], itertools.repeat(LINE * 1024, BOMB // len(LINE * 1024)))
    if path.suffix == ".gz":
        with gzip.open(path, "wb", 6) as file:
            file.writelines(content)
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for job in ("0_first.txt", "1_second.txt"):
            with archive.open(job, "w") as file:
                for chunk in content:
                    file.write(chunk)
    return path


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes come out of the files."""
    sizes: list[int] = []
    plain = logs.read_in_pieces

    def counting(file: Any) -> Iterator[bytes]:
        for piece in plain(file):
            sizes.append(len(piece))
            yield piece

    monkeypatch.setattr(logs, "read_in_pieces", counting)
    return sizes


def explained(*words: object) -> list[dict[str, Any]]:
    out = io.StringIO()
    call_command("explain", *map(str, words), "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("name", ["bomb.log.gz", "bomb.zip"])
def test_a_bomb_is_read_to_its_bound_and_said_to_be_cut(
    tmp_path: Path, unpacked: list[int], name: str
) -> None:
    first, *others = explained(bomb(tmp_path / name), "--max-bytes", 3_000_000)
    assert sum(unpacked) <= 3_000_000 + 2 * logs.PIECE * (1 + len(others))
    assert first["cut"] == "read to 3,000,000 bytes and not further"
    assert (first["status"], first["failedTests"]) == ("failed", ["tests/test_a.py::test_x"])
    assert all(other["cut"] for other in others)


def test_seconds_bound_it_too(
    tmp_path: Path, unpacked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs.time, "process_time", Clock())
    assert (
        explained(bomb(tmp_path / "bomb.log.gz"), "--max-seconds", 3)[0]["cut"]
        == "read to 3 seconds of reading and not further"
    )
    assert sum(unpacked) <= 4 * logs.PIECE


def test_people_are_told_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command(
        "explain", str(bomb(tmp_path / "bomb.log.gz")), "--max-bytes", "1000000", "--no-color"
    )
    assert (
        "cut      read to 1,000,000 bytes and not further: what failed may stand behind it"
        in capsys.readouterr().out
    )


def test_what_is_read_to_its_end_is_not_cut(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(FAILED)
    assert explained(tmp_path / "a.log")[0]["cut"] is None
    assert explained(tmp_path / "a.log", "--max-bytes", 0, "--max-seconds", 0)[0]["cut"] is None


def test_there_is_a_bound_without_asking_for_one() -> None:
    within = logs.bound()
    assert (within.size, within.seconds) == (1 << 30, 20.0)


@pytest.mark.parametrize("given", ["file", "option"])
def test_a_report_that_is_a_bomb_is_not_unpacked(
    tmp_path: Path, unpacked: list[int], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setattr("cihealing.cli.explain.MAX_BYTES", 4 << 20)
    monkeypatch.setattr("cihealing.reading.junit.MAX_BYTES", 4 << 20)
    report = bomb(tmp_path / "bomb.gz").rename(tmp_path / "bomb.xml")
    (tmp_path / "a.log").write_bytes(FAILED)
    words = [report] if given == "file" else [tmp_path / "a.log", "--junit", report]
    with pytest.raises(CommandError, match="larger than 4 MB"):
        explained(*words)
    assert sum(unpacked) <= (4 << 20) + logs.PIECE


def test_a_part_of_a_bomb_has_no_fingerprint(
    tmp_path: Path, unpacked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cihealing.cli.fingerprint.bound", lambda: logs.bound(size=1_000_000))
    with pytest.raises(CommandError, match="it has no fingerprint"):
        call_command("fingerprint", str(bomb(tmp_path / "bomb.log.gz")))
    assert sum(unpacked) <= 1_000_000 + 2 * logs.PIECE


def test_a_fetched_log_without_end_is_kept_as_far_as_it_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_outbound, "MAX_READ", 1_000_000)
    asked = itertools.count()
    log = _outbound.kept(LINE * 10 for _ in asked)
    assert next(asked) < 1_000_000 / len(LINE)
    assert log.startswith(LINE.decode())
    assert log.endswith("\n[cihealing: the log goes on: read to 1,000,000 bytes and not further]\n")


def test_one_that_ends_says_nothing_of_it() -> None:
    assert _outbound.kept([FAILED]) == FAILED.decode()
