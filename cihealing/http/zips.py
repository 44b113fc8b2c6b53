"""Zip archives, read by their central directory. Source: PKWARE APPNOTE 6.3.10."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from cihealing.http.archive_rules import FREE, MAX_FILES, MAX_RATIO, Allowance, name_of, refuse

_LOCAL, _CENTRAL, _END = (
    struct.Struct("<4sHHHHHLLLHH"),
    struct.Struct("<4sHHHHHHLLLHHHHHLL"),
    struct.Struct("<4sHHHHLLH"),
)
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _STREAMED = 0x0001 | 0x0040 | 0x2000, 0x0008
_UNIX_KINDS = {
    0o120000: "archive.link",
    **dict.fromkeys((0o020000, 0o060000, 0o010000, 0o140000), "archive.device"),
}


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One record of the central directory."""

    flags: int
    method: int
    crc: int
    packed: int
    size: int
    name: bytes
    mode: int
    offset: int


def zip_files(data: bytes) -> Iterator[tuple[str, bytes]]:
    entries = sorted(_entries(data), key=lambda entry: entry.offset)
    end, room = 0, Allowance()
    for entry in entries:
        if entry.offset < end:
            refuse("archive.overlap", "two files of the archive share their bytes")
        if entry.offset > end and not _descriptor(data[end : entry.offset]):
            refuse("archive.ambiguous", "the archive holds bytes that belong to none of its files")
        start = _local(data, entry)
        end = start + entry.packed
        yield name_of(entry.name), _content(entry, data[start:end], room)


def _descriptor(gap: bytes) -> bool:
    """A data descriptor may follow a file that was packed as a stream."""
    return len(gap) in (12, 16, 20, 24) and (gap[:4] == b"PK\x07\x08" or len(gap) in (12, 20))


def _entries(data: bytes) -> list[_Entry]:
    count, start, size = _directory(data)
    found, at = [], start
    for _ in range(count):
        entry, at = _entry(data, at)
        found.append(entry)
    if at != start + size:
        refuse("archive.mismatch", "the archive's directory has another size than it says")
    return found


def _directory(data: bytes) -> tuple[int, int, int]:
    """Number of records, offset and size of the one directory, which must end where the file's last
    record begins.
    """
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - _END.size - 0xFFFF))
    if at < 0 or at + _END.size > len(data):
        refuse("archive.truncated", "the archive has no end")
    _, disk, first, here, count, size, start, comment = _END.unpack_from(data, at)
    if (
        0xFFFF in (here, count)
        or 0xFFFFFFFF in (size, start)
        or data[max(0, at - 20) : at].startswith(b"PK\x06\x07")
    ):
        refuse(
            "archive.zip64",
            "the archive says it is larger than four gigabytes or has more than 65,534 files",
        )
    if at + _END.size + comment != len(data) or b"PK\x05\x06" in data[at + 4 :]:
        refuse("archive.ambiguous", "the archive ends more than once, or something follows its end")
    if count > MAX_FILES:
        refuse("archive.too_many", f"the archive holds more than {MAX_FILES} files")
    if disk or first or here != count or start + size != at:
        refuse("archive.mismatch", "the archive's directory is not where it says")
    return count, start, size


def _entry(data: bytes, at: int) -> tuple[_Entry, int]:
    if at + _CENTRAL.size > len(data) or data[at : at + 4] != b"PK\x01\x02":
        refuse("archive.mismatch", "the archive's directory has fewer files than it says")
    _, _, _, flags, method, _, _, crc, packed, size, name, extra, comment, _, _, mode, offset = (
        _CENTRAL.unpack_from(data, at)
    )
    if 0xFFFFFFFF in (packed, size, offset):
        refuse("archive.zip64", "a file of the archive says it is larger than four gigabytes")
    begin = at + _CENTRAL.size
    raw = data[begin : begin + name]
    entry = _Entry(
        flags=flags,
        method=method,
        crc=crc,
        packed=packed,
        size=size,
        name=raw,
        mode=mode >> 16,
        offset=offset,
    )
    return entry, begin + name + extra + comment


def _local(data: bytes, entry: _Entry) -> int:
    """Where the file's bytes begin; what its own header says must be what the directory says."""
    if entry.flags & _ENCRYPTED:
        refuse("archive.encrypted", "a file of the archive is encrypted")
    if (
        entry.offset + _LOCAL.size > len(data)
        or data[entry.offset : entry.offset + 4] != b"PK\x03\x04"
    ):
        refuse("archive.mismatch", "a file of the archive is not where its directory says")
    _, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack_from(
        data, entry.offset
    )
    begin = entry.offset + _LOCAL.size
    if flags & _ENCRYPTED:
        refuse("archive.encrypted", "a file of the archive is encrypted")
    same = (method, data[begin : begin + name]) == (entry.method, entry.name)
    if not same or not _same_sizes((crc, packed, size), entry, streamed=bool(flags & _STREAMED)):
        refuse(
            "archive.mismatch", "a file's header and the archive's directory contradict each other"
        )
    return int(begin + name + extra)


def _same_sizes(local: tuple[int, int, int], entry: _Entry, *, streamed: bool) -> bool:
    return local == (entry.crc, entry.packed, entry.size) or (streamed and local == (0, 0, 0))


def _content(entry: _Entry, packed: bytes, room: Allowance) -> bytes:
    if rule := _UNIX_KINDS.get(entry.mode & 0o170000):
        refuse(rule, "the archive holds something that is neither file nor directory")
    if len(packed) != entry.packed:
        refuse("archive.truncated", "the archive ends too early")
    content = _unpacked(entry, packed, room)
    if len(content) != entry.size:
        refuse("archive.mismatch", "a file of the archive has another size than it says")
    if zlib.crc32(content) != entry.crc:
        refuse("archive.crc", "a file of the archive has another checksum than it says")
    return content


def _unpacked(entry: _Entry, packed: bytes, room: Allowance) -> bytes:
    if entry.method == _STORED:
        room.take(len(packed))
        return packed
    if entry.method != _DEFLATED:
        refuse(
            "archive.method",
            f"a file of the archive is packed by method {entry.method}; only deflate is unpacked",
        )
    if entry.size > FREE + MAX_RATIO * entry.packed:
        refuse(
            "archive.bomb", f"a file of the archive unpacks to more than {MAX_RATIO} times its size"
        )
    content, end = room.inflate(packed, bits=-zlib.MAX_WBITS)
    if end != len(packed):
        refuse("archive.mismatch", "a file of the archive has bytes after its end")
    return content
