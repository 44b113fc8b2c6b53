"""Logs that come packed (zip, tar, gzip), read in memory from archives whose writers may be
hostile. Pure; nothing is ever written to disk.

Only regular files that are plain text are given back. Whatever deceives ends the whole reading with
a rule: who packed one lie may have packed more. The structures are read here and not by `zipfile`
and `tarfile`, which forgive much of what tells an attack.

Sources: PKWARE APPNOTE 6.3.10; POSIX pax 'ustar Interchange Format'; RFC 1952; David Fifield, 'A
better zip bomb' (2019); Snyk, 'Zip Slip'.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from cihealing.http.refusal import Refusal, Refused

MAX_PACKED = 64 * 1024 * 1024
MAX_UNPACKED = 256 * 1024 * 1024
"""Bytes of all files together."""
MAX_FILES = 10_000
MAX_NAME = 400
MAX_RATIO = 300
"""Unpacked bytes for a packed one, beyond FREE bytes: repetitive logs reach 100, a bomb of zeros
1,030.
"""
FREE = 4 * 1024 * 1024
CHUNK = 256 * 1024

TEXT_NAMES = re.compile(r"(?:.*\.(?:txt|log|out|err)|[^.]+|.*/[^./]+)", re.I | re.S)
_NESTED = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x28\xb5\x2f\xfd",
)
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def read(data: bytes) -> list[tuple[str, str]]:
    """Name and text of each log file, in the order people count in (2 before 10). Raises
    Refused.
    """
    if len(data) > MAX_PACKED:
        _refuse("archive.too_large", f"the archive is larger than {MAX_PACKED} bytes")
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        files = _checked(_zip_files(data))
    elif data[:2] == b"\x1f\x8b":
        files = _gzip_files(data)
    elif data[257:262] == b"ustar":
        files = _checked(_tar_files(data))
    else:
        _refuse("archive.form", "these bytes are no zip, tar or gzip")
    return sorted(files, key=lambda file: _counted(file[0]))


def _refuse(rule: str, text: str) -> NoReturn:
    raise Refused(Refusal(rule, text))


def _counted(name: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() and part.isascii() else (-1, part)
        for part in re.split(r"([0-9]{1,18})", name)
    ]


def _checked(files: Iterator[tuple[str, bytes]]) -> list[tuple[str, str]]:
    found, seen, total = [], set[str](), 0
    for name, content in files:
        same = unicodedata.normalize("NFKC", name).casefold().rstrip("/")
        if same in seen:
            _refuse("archive.duplicate", "the archive holds two files of one name")
        seen.add(same)
        total += len(content)
        if total > MAX_UNPACKED:
            _refuse("archive.bomb", f"the archive unpacks to more than {MAX_UNPACKED} bytes")
        found += _plain(name, content)
    return found


def _plain(name: str, content: bytes) -> list[tuple[str, str]]:
    """The file as text; nothing for a directory and for what is no text."""
    if content.startswith(_NESTED):
        _refuse("archive.nested", "the archive holds an archive")
    if name.endswith("/") and content:
        _refuse("archive.mismatch", "the archive holds a directory with a content")
    if name.endswith("/") or not TEXT_NAMES.fullmatch(name) or b"\x00" in content:
        return []
    return [(name, content.decode("utf-8-sig", errors="replace"))]


def _name(raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("archive.name", "a name in the archive is not UTF-8")
    if (
        not name
        or len(raw) > MAX_NAME
        or any(unicodedata.category(char) in _HIDDEN for char in name)
    ):
        _refuse(
            "archive.name",
            f"a name in the archive is empty, longer than {MAX_NAME} bytes or holds characters"
            " nobody sees",
        )
    if (
        "\\" in name
        or name.startswith("/")
        or re.match(r"[A-Za-z]:", name)
        or ".." in unicodedata.normalize("NFKC", name).split("/")
    ):
        _refuse("archive.traversal", "a name in the archive leads out of it")
    return name.removeprefix("./") or "./"


class _Room:
    """Bytes that may still come out of one archive."""

    def __init__(self) -> None:
        self.left = MAX_UNPACKED

    def inflate(self, packed: bytes, *, bits: int, start: int = 0) -> tuple[bytes, int]:
        """What `packed` stands for from `start` on, and where it ends. Stops at the first byte too
        many, whatever sizes were declared.
        """
        inflate, out, at = zlib.decompressobj(bits), bytearray(), start
        while not inflate.eof:
            rest = packed[at : at + CHUNK]
            at += len(rest)
            before = len(out)
            for piece in _pieces(inflate, rest):
                out += piece
                self.take(len(piece))
                if len(out) > FREE + MAX_RATIO * (at - start):
                    _refuse(
                        "archive.bomb",
                        f"a file of the archive unpacks to more than {MAX_RATIO} times its size",
                    )
            if not rest and len(out) == before and not inflate.eof:
                _refuse("archive.truncated", "the archive ends too early")
        return bytes(out), at - len(inflate.unused_data)

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            _refuse("archive.bomb", f"the archive unpacks to more than {MAX_UNPACKED} bytes")


def _pieces(inflate: zlib._Decompress, rest: bytes) -> Iterator[bytes]:
    try:
        yield inflate.decompress(rest, CHUNK)
        while inflate.unconsumed_tail and not inflate.eof:
            yield inflate.decompress(inflate.unconsumed_tail, CHUNK)
    except zlib.error as error:
        _refuse(
            "archive.crc" if "check" in str(error) else "archive.broken",
            "a file of the archive cannot be unpacked",
        )


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


def _zip_files(data: bytes) -> Iterator[tuple[str, bytes]]:
    entries = sorted(_entries(data), key=lambda entry: entry.offset)
    end, room = 0, _Room()
    for entry in entries:
        if entry.offset < end:
            _refuse("archive.overlap", "two files of the archive share their bytes")
        if entry.offset > end and not _descriptor(data[end : entry.offset]):
            _refuse("archive.ambiguous", "the archive holds bytes that belong to none of its files")
        start = _local(data, entry)
        end = start + entry.packed
        yield _name(entry.name), _content(entry, data[start:end], room)


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
        _refuse("archive.mismatch", "the archive's directory has another size than it says")
    return found


def _directory(data: bytes) -> tuple[int, int, int]:
    """Number of records, offset and size of the one directory, which must end where the file's last
    record begins.
    """
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - _END.size - 0xFFFF))
    if at < 0 or at + _END.size > len(data):
        _refuse("archive.truncated", "the archive has no end")
    _, disk, first, here, count, size, start, comment = _END.unpack_from(data, at)
    if (
        0xFFFF in (here, count)
        or 0xFFFFFFFF in (size, start)
        or data[max(0, at - 20) : at].startswith(b"PK\x06\x07")
    ):
        _refuse(
            "archive.zip64",
            "the archive says it is larger than four gigabytes or has more than 65,534 files",
        )
    if at + _END.size + comment != len(data) or b"PK\x05\x06" in data[at + 4 :]:
        _refuse(
            "archive.ambiguous", "the archive ends more than once, or something follows its end"
        )
    if count > MAX_FILES:
        _refuse("archive.too_many", f"the archive holds more than {MAX_FILES} files")
    if disk or first or here != count or start + size != at:
        _refuse("archive.mismatch", "the archive's directory is not where it says")
    return count, start, size


def _entry(data: bytes, at: int) -> tuple[_Entry, int]:
    if at + _CENTRAL.size > len(data) or data[at : at + 4] != b"PK\x01\x02":
        _refuse("archive.mismatch", "the archive's directory has fewer files than it says")
    _, _, _, flags, method, _, _, crc, packed, size, name, extra, comment, _, _, mode, offset = (
        _CENTRAL.unpack_from(data, at)
    )
    if 0xFFFFFFFF in (packed, size, offset):
        _refuse("archive.zip64", "a file of the archive says it is larger than four gigabytes")
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
        _refuse("archive.encrypted", "a file of the archive is encrypted")
    if (
        entry.offset + _LOCAL.size > len(data)
        or data[entry.offset : entry.offset + 4] != b"PK\x03\x04"
    ):
        _refuse("archive.mismatch", "a file of the archive is not where its directory says")
    _, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack_from(
        data, entry.offset
    )
    begin = entry.offset + _LOCAL.size
    if flags & _ENCRYPTED:
        _refuse("archive.encrypted", "a file of the archive is encrypted")
    same = (method, data[begin : begin + name]) == (entry.method, entry.name)
    if not same or not _same_sizes((crc, packed, size), entry, streamed=bool(flags & _STREAMED)):
        _refuse(
            "archive.mismatch", "a file's header and the archive's directory contradict each other"
        )
    return int(begin + name + extra)


def _same_sizes(local: tuple[int, int, int], entry: _Entry, *, streamed: bool) -> bool:
    return local == (entry.crc, entry.packed, entry.size) or (streamed and local == (0, 0, 0))


def _content(entry: _Entry, packed: bytes, room: _Room) -> bytes:
    if rule := _UNIX_KINDS.get(entry.mode & 0o170000):
        _refuse(rule, "the archive holds something that is neither file nor directory")
    if len(packed) != entry.packed:
        _refuse("archive.truncated", "the archive ends too early")
    content = _unpacked(entry, packed, room)
    if len(content) != entry.size:
        _refuse("archive.mismatch", "a file of the archive has another size than it says")
    if zlib.crc32(content) != entry.crc:
        _refuse("archive.crc", "a file of the archive has another checksum than it says")
    return content


def _unpacked(entry: _Entry, packed: bytes, room: _Room) -> bytes:
    if entry.method == _STORED:
        room.take(len(packed))
        return packed
    if entry.method != _DEFLATED:
        _refuse(
            "archive.method",
            f"a file of the archive is packed by method {entry.method}; only deflate is unpacked",
        )
    if entry.size > FREE + MAX_RATIO * entry.packed:
        _refuse(
            "archive.bomb", f"a file of the archive unpacks to more than {MAX_RATIO} times its size"
        )
    content, end = room.inflate(packed, bits=-zlib.MAX_WBITS)
    if end != len(packed):
        _refuse("archive.mismatch", "a file of the archive has bytes after its end")
    return content


def _gzip_files(data: bytes) -> list[tuple[str, str]]:
    content = _gunzipped(data)
    if content[257:262] == b"ustar":
        return _checked(_tar_files(content))
    return _plain("log", content)


def _gunzipped(data: bytes) -> bytes:
    """Every member of the file, one after the other; zeros at the end are padding."""
    room, out, at, members = _Room(), bytearray(), 0, 0
    while data.startswith(b"\x1f\x8b", at):
        members += 1
        if members > MAX_FILES:
            _refuse("archive.too_many", f"the archive has more than {MAX_FILES} parts")
        content, at = room.inflate(data, bits=zlib.MAX_WBITS | 16, start=at)
        out += content
    if data[at:].strip(b"\x00"):
        _refuse("archive.ambiguous", "something follows the end of the archive")
    return bytes(out)


_BLOCK = 512
_TAR_KINDS = {
    **dict.fromkeys((b"1", b"2"), "archive.link"),
    **dict.fromkeys((b"3", b"4", b"6"), "archive.device"),
    b"S": "archive.bomb",
}


def _tar_files(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Regular files and directories; a long name stands in a record (pax `x`, GNU `L`) before its
    file.
    """
    at, long_name, count = 0, b"", 0
    while (header := data[at : at + _BLOCK]).strip(b"\x00"):
        count += 1
        if count > MAX_FILES:
            _refuse("archive.too_many", f"the archive holds more than {MAX_FILES} files")
        kind, size = header[156:157], _tar_size(header)
        content = data[at + _BLOCK : at + _BLOCK + size]
        if len(content) != size:
            _refuse("archive.truncated", "the archive ends too early")
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
        if kind in (b"x", b"g", b"L"):
            long_name = _long_name(kind, content) or long_name
            continue
        if rule := _TAR_KINDS.get(
            kind, "" if kind in (b"0", b"\x00", b"5", b"7") else "archive.method"
        ):
            _refuse(rule, "the archive holds something that is neither file nor directory")
        name, long_name = _name(long_name or _tar_name(header)), b""
        yield (f"{name.rstrip('/')}/" if kind == b"5" else name), content
    if at >= len(data):
        _refuse("archive.truncated", "the archive has no end")
    if data[at:].strip(b"\x00"):
        _refuse("archive.ambiguous", "something follows the end of the archive")


def _tar_size(header: bytes) -> int:
    """Raises Refused for a wrong checksum and for a size that is no plain octal number (negative
    and binary ones are tricks).
    """
    if len(header) != _BLOCK:
        _refuse("archive.truncated", "the archive ends too early")
    said, real = _octal(header[148:156]), sum(header[:148]) + 8 * 32 + sum(header[156:])
    size = _octal(header[124:136])
    if said != real:
        _refuse("archive.crc", "a header of the archive has another checksum than it says")
    if size is None:
        _refuse("archive.mismatch", "a file of the archive has no plain size")
    return size


def _octal(field: bytes) -> int | None:
    text = field.strip(b" \x00")
    return int(text, 8) if re.fullmatch(rb"[0-7]{1,12}", text) else None


def _tar_name(header: bytes) -> bytes:
    name, prefix = (
        header[:100].rstrip(b"\x00"),
        header[345:500].rstrip(b"\x00") if header[257:263] == b"ustar\x00" else b"",
    )
    return prefix + b"/" + name if prefix else name


def _long_name(kind: bytes, content: bytes) -> bytes:
    if kind == b"L":
        return content.rstrip(b"\x00")
    records = dict(_pax(content))
    if (
        b"size" in records
        or b"linkpath" in records
        or any(key.startswith(b"GNU.sparse") for key in records)
    ):
        _refuse("archive.mismatch", "a record of the archive changes the size or kind of a file")
    return records.get(b"path", b"") if kind == b"x" else b""


def _pax(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """`LENGTH KEY=VALUE\\n`, where LENGTH counts the whole record."""
    at = 0
    while at < len(content):
        found = re.compile(rb"([0-9]{1,7}) ([^=\n]{1,200})=").match(content, at)
        end = at + int(found[1]) if found else 0
        if found is None or end < found.end() + 1 or content[end - 1 : end] != b"\n":
            _refuse("archive.mismatch", "a record of the archive cannot be read")
        yield found[2], content[found.end() : end - 1]
        at = end
