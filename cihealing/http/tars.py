"""Tar archives. Source: POSIX pax 'ustar Interchange Format'."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.http.archive_rules import MAX_FILES, name_of, refuse

_BLOCK = 512
_TAR_KINDS = {
    **dict.fromkeys((b"1", b"2"), "archive.link"),
    **dict.fromkeys((b"3", b"4", b"6"), "archive.device"),
    b"S": "archive.bomb",
}


def tar_files(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Regular files and directories; a long name stands in a record (pax `x`, GNU `L`) before its
    file.
    """
    at, long_name, count = 0, b"", 0
    while (header := data[at : at + _BLOCK]).strip(b"\x00"):
        count += 1
        if count > MAX_FILES:
            refuse("archive.too_many", f"the archive holds more than {MAX_FILES} files")
        kind, size = header[156:157], _tar_size(header)
        content = data[at + _BLOCK : at + _BLOCK + size]
        if len(content) != size:
            refuse("archive.truncated", "the archive ends too early")
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
        if kind in (b"x", b"g", b"L"):
            long_name = _long_name(kind, content) or long_name
            continue
        if rule := _TAR_KINDS.get(
            kind, "" if kind in (b"0", b"\x00", b"5", b"7") else "archive.method"
        ):
            refuse(rule, "the archive holds something that is neither file nor directory")
        name, long_name = name_of(long_name or _tar_name(header)), b""
        yield (f"{name.rstrip('/')}/" if kind == b"5" else name), content
    if at >= len(data):
        refuse("archive.truncated", "the archive has no end")
    if data[at:].strip(b"\x00"):
        refuse("archive.ambiguous", "something follows the end of the archive")


def _tar_size(header: bytes) -> int:
    """Raises Refused for a wrong checksum and for a size that is no plain octal number (negative
    and binary ones are tricks).
    """
    if len(header) != _BLOCK:
        refuse("archive.truncated", "the archive ends too early")
    said, real = _octal(header[148:156]), sum(header[:148]) + 8 * 32 + sum(header[156:])
    size = _octal(header[124:136])
    if said != real:
        refuse("archive.crc", "a header of the archive has another checksum than it says")
    if size is None:
        refuse("archive.mismatch", "a file of the archive has no plain size")
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
        refuse("archive.mismatch", "a record of the archive changes the size or kind of a file")
    return records.get(b"path", b"") if kind == b"x" else b""


def _pax(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """`LENGTH KEY=VALUE\\n`, where LENGTH counts the whole record."""
    at = 0
    while at < len(content):
        found = re.compile(rb"([0-9]{1,7}) ([^=\n]{1,200})=").match(content, at)
        end = at + int(found[1]) if found else 0
        if found is None or end < found.end() + 1 or content[end - 1 : end] != b"\n":
            refuse("archive.mismatch", "a record of the archive cannot be read")
        yield found[2], content[found.end() : end - 1]
        at = end
