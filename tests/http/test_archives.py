"""Packed logs: the corpora, and the bounds from both sides."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from typing import Any

import pytest

from cihealing.http import archive_rules, archives, tars, zips
from cihealing.http.refusal import RequestRefused
from tests.http.corpus import crowded, entries, ids
from tests.http.packing import built
from tests.tables import table

HOSTILE, BENIGN = entries("archives/hostile.yaml"), entries("archives/benign.yaml")


def bounded(monkeypatch: pytest.MonkeyPatch, name: str, value: int) -> None:
    """In every module that reads archives."""
    for module in (archive_rules, archives, tars, zips):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, value)


def refusal(data: bytes) -> str:
    with pytest.raises(RequestRefused) as refused:
        archives.read(data)
    return refused.value.refusal.rule


def test_no_technique_is_crowded_and_there_are_enough() -> None:
    assert crowded(HOSTILE) == []
    assert len(HOSTILE) >= 60
    assert len(BENIGN) >= 30


@table("entry", HOSTILE, ids=ids(HOSTILE))
def test_a_hostile_archive_meets_its_rule(entry: dict[str, Any]) -> None:
    assert refusal(built(entry)) == entry["rule"]


@table("entry", BENIGN, ids=ids(BENIGN))
def test_an_everyday_archive_is_read(entry: dict[str, Any]) -> None:
    assert [name for name, _ in archives.read(built(entry))] == entry["names"]


def test_what_zipfile_packs_is_read() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("10_b.txt", "\ufeffsecond\n")
        archive.writestr("2_a.txt", b"first \xff\n")
        archive.writestr("dir/", "")
    assert archives.read(packed.getvalue()) == [
        ("2_a.txt", "first \ufffd\n"),
        ("10_b.txt", "second\n"),
    ]


class OneWay(io.RawIOBase):
    """A pipe: what is written cannot be returned to, so sizes follow their file."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written += data
        return len(data)


def test_what_is_packed_as_a_stream_is_read() -> None:
    pipe = OneWay()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "one\n")
        archive.writestr("b.txt", "two\n")
    assert archives.read(bytes(pipe.written)) == [("a.txt", "one\n"), ("b.txt", "two\n")]


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_what_tarfile_packs_is_read(style: int, mode: Any) -> None:
    packed, name = io.BytesIO(), f"{'directory/' * 12}ö.log"
    with tarfile.open(fileobj=packed, mode=mode, format=style) as archive:
        info = tarfile.TarInfo(name)
        info.size = 6
        archive.addfile(info, io.BytesIO(b"E x\n\n\n"))
    assert archives.read(packed.getvalue()) == [(name, "E x\n\n\n")]


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_the_largest_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zipped({"a.txt": b"x"})
    bounded(monkeypatch, "MAX_PACKED", len(data))
    assert archives.read(data) == [("a.txt", "x")]
    bounded(monkeypatch, "MAX_PACKED", len(data) - 1)
    assert refusal(data) == "archive.too_large"


@pytest.mark.parametrize(
    "packed",
    [zipped({"a.txt": b"ab" * 500, "b.txt": b"cd" * 500}), gzip.compress(b"ab" * 1_000)],
    ids=["zip", "gzip"],
)
def test_the_most_that_is_unpacked(monkeypatch: pytest.MonkeyPatch, packed: bytes) -> None:
    bounded(monkeypatch, "MAX_UNPACKED", 2_000)
    assert sum(len(text) for _, text in archives.read(packed)) == 2_000
    bounded(monkeypatch, "MAX_UNPACKED", 1_999)
    assert refusal(packed) == "archive.bomb"


def test_a_tar_counts_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    bounded(monkeypatch, "MAX_UNPACKED", 5)
    assert (
        refusal(built({"tar": [{"name": "a", "text": "abc"}, {"name": "b", "text": "abc"}]}))
        == "archive.bomb"
    )


def test_the_steepest_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gzip.compress(b"\n" * 1_000_000)
    bounded(monkeypatch, "FREE", 0)
    bounded(monkeypatch, "MAX_RATIO", -(-1_000_000 // len(data)))
    assert len(archives.read(data)[0][1]) == 1_000_000
    bounded(monkeypatch, "MAX_RATIO", 1_000_000 // len(data) - 1)
    assert refusal(data) == "archive.bomb"


def test_the_most_files(monkeypatch: pytest.MonkeyPatch) -> None:
    bounded(monkeypatch, "MAX_FILES", 2)
    for kind in ("zip", "tar"):
        assert len(archives.read(built({kind: [{"name": "{n}", "copies": 2, "text": "x"}]}))) == 2
        assert (
            refusal(built({kind: [{"name": "{n}", "copies": 3, "text": "x"}]}))
            == "archive.too_many"
        )
    assert refusal(built({"gzip": {"text": "x", "members": 3}})) == "archive.too_many"


def test_the_longest_name() -> None:
    assert len(archives.read(built({"zip": [{"name": "n" * 400, "text": "x"}]}))) == 1
    assert refusal(built({"zip": [{"name": "n" * 401, "text": "x"}]})) == "archive.name"


def test_however_it_is_cut_it_is_refused_and_never_crashes() -> None:
    whole = [
        zipped({"a.txt": b"one\n" * 50, "b.txt": b"two\n"}),
        gzip.compress(b"three\n" * 50),
        built({"tar": [{"name": "a", "text": "x"}]}),
    ]
    for data in whole:
        for length in range(
            0, min(len(data) - 1024 if data[257:262] == b"ustar" else len(data), 700)
        ):
            refusal(data[:length])


def test_whatever_byte_is_turned_it_is_read_or_refused() -> None:
    data = bytearray(zipped({"a.txt": b"one\n" * 50, "b.txt": b"two\n"}))
    for position in range(len(data)):
        for turned in (0x00, 0xFF, data[position] ^ 0x01):
            other = data[:position] + bytes([turned]) + data[position + 1 :]
            try:
                archives.read(bytes(other))
            except RequestRefused:
                continue


def test_many_members_are_read_in_linear_time() -> None:
    assert len(archives.read(gzip.compress(b"x" * 1_000) * 5_000)[0][1]) == 5_000_000
