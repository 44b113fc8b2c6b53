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
import unicodedata
import zlib
from collections.abc import Iterator

from cihealing.http.archive_rules import MAX_FILES, MAX_PACKED, MAX_UNPACKED, Allowance, refuse
from cihealing.http.tars import tar_files
from cihealing.http.zips import zip_files

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


def read(data: bytes) -> list[tuple[str, str]]:
    """Name and text of each log file, in the order people count in (2 before 10). Raises
    Refused.
    """
    if len(data) > MAX_PACKED:
        refuse("archive.too_large", f"the archive is larger than {MAX_PACKED} bytes")
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        files = _checked(zip_files(data))
    elif data[:2] == b"\x1f\x8b":
        files = _gzip_files(data)
    elif data[257:262] == b"ustar":
        files = _checked(tar_files(data))
    else:
        refuse("archive.form", "these bytes are no zip, tar or gzip")
    return sorted(files, key=lambda file: _counted(file[0]))


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
            refuse("archive.duplicate", "the archive holds two files of one name")
        seen.add(same)
        total += len(content)
        if total > MAX_UNPACKED:
            refuse("archive.bomb", f"the archive unpacks to more than {MAX_UNPACKED} bytes")
        found += _plain(name, content)
    return found


def _plain(name: str, content: bytes) -> list[tuple[str, str]]:
    """The file as text; nothing for a directory and for what is no text."""
    if content.startswith(_NESTED):
        refuse("archive.nested", "the archive holds an archive")
    if name.endswith("/") and content:
        refuse("archive.mismatch", "the archive holds a directory with a content")
    if name.endswith("/") or not TEXT_NAMES.fullmatch(name) or b"\x00" in content:
        return []
    return [(name, content.decode("utf-8-sig", errors="replace"))]


def _gzip_files(data: bytes) -> list[tuple[str, str]]:
    content = _gunzipped(data)
    if content[257:262] == b"ustar":
        return _checked(tar_files(content))
    return _plain("log", content)


def _gunzipped(data: bytes) -> bytes:
    """Every member of the file, one after the other; zeros at the end are padding."""
    room, out, at, members = Allowance(), bytearray(), 0, 0
    while data.startswith(b"\x1f\x8b", at):
        members += 1
        if members > MAX_FILES:
            refuse("archive.too_many", f"the archive has more than {MAX_FILES} parts")
        content, at = room.inflate(data, bits=zlib.MAX_WBITS | 16, start=at)
        out += content
    if data[at:].strip(b"\x00"):
        refuse("archive.ambiguous", "something follows the end of the archive")
    return bytes(out)
