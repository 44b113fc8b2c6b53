"""Files as git stores them, their bytes as text that can be written back byte for byte, and its
lines with their ends. Pure.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
DECLARED = re.compile(
    rb"(?:coding|encoding|charset)\s{0,4}[:=]\s{0,4}[\"']?([A-Za-z][\w.:-]{1,30})"
)
"""Source: PEP 263; the declarations of XML, HTML, CSS and editors are spelt alike."""
MIXED = "utf-8/surrogateescape"
"""UTF-8 but for some bytes, which are kept."""
WORDS = {"cp1252": "Windows-1252", "iso8859-1": "Latin-1", MIXED: "UTF-8 with bytes that are none"}


class Stored(Protocol):
    """The files of a commit as git stores them, whatever a checkout makes of them."""

    @property
    def modes(self) -> Mapping[str, str]:
        """Path -> mode (`100644`, `100755`, `120000` a link, `160000` a submodule)."""

    def read(self, path: str, *, limit: int = ...) -> bytes | None:
        """The content of a file, or where a link points; None for anything else, and for more than
        `limit` bytes.
        """


class TextLine(NamedTuple):
    text: str
    end: str
    """A line feed, with or without a carriage return; empty at the end of a file that has none."""


@dataclass(frozen=True, kw_only=True)
class EncodedText:
    """`content` is without the byte order mark."""

    content: str
    codec: str = "utf-8"
    bom: bytes = b""

    def encoded(self, content: str, *, bom: bytes) -> bytes:
        """Other content in the same encoding. Raises UnicodeEncodeError."""
        codec, _, errors = self.codec.partition("/")
        return bom + content.encode(codec, errors or "strict")

    @property
    def in_words(self) -> str:
        """The encoding in words; empty for plain UTF-8."""
        name = WORDS.get(self.codec, self.codec.upper())
        if self.bom and self.codec == "utf-8":
            return "UTF-8 with a byte order mark"
        return "" if self.codec == "utf-8" else name


def text_of(raw: bytes) -> EncodedText | None:
    """None for what is no text. Nothing is lost: what is encoded again is what was read."""
    for bom, codec in BOMS:
        if raw.startswith(bom) and (found := _decoded(raw.removeprefix(bom), codec, bom)):
            return found
    if found := _decoded(raw, "utf-8", b""):
        return None if "\0" in found.content else found
    if b"\0" in raw:
        return None
    declared = _declared(raw)
    return (declared and _decoded(raw, declared, b"")) or _guessed(raw)


def _decoded(raw: bytes, codec: str, bom: bytes) -> EncodedText | None:
    name, _, errors = codec.partition("/")
    try:
        content = raw.decode(name, errors or "strict")
        if content.encode(name, errors or "strict") == raw:
            return EncodedText(content=content, codec=codec, bom=bom)
    except (UnicodeError, ValueError):
        pass
    return None


def _declared(raw: bytes) -> str:
    """The encoding the first two lines name, where this is one of texts."""
    named = DECLARED.search(b"\n".join(raw[:1_000].split(b"\n")[:2]))
    try:
        found = codecs.lookup(named[1].decode()) if named else None
    except LookupError:
        return ""
    return found.name if found is not None and found._is_text_encoding else ""


def _guessed(raw: bytes) -> EncodedText | None:
    mixed = raw.decode("utf-8", "surrogateescape")
    strays = sum("\udc80" <= c <= "\udcff" for c in mixed)
    letters = sum(ord(c) > 127 for c in mixed) - strays
    names = (MIXED,) if letters > strays else ("cp1252", "iso8859-1")
    return next((found for name in names if (found := _decoded(raw, name, b""))), None)


def lines_of(content: str) -> list[TextLine]:
    """Only a line feed ends a line, as for git."""
    pieces = content.split("\n")
    last = pieces.pop()
    lines = [
        TextLine(piece[:-1], "\r\n") if piece.endswith("\r") else TextLine(piece, "\n")
        for piece in pieces
    ]
    return [*lines, TextLine(last, "")] if last else lines


def joined(lines: list[TextLine]) -> str:
    return "".join(line.text + line.end for line in lines)


def wide(text: str) -> str | None:
    """A line that was cut out of UTF-16 at its line feed, as its characters; None for any other.

    A character whose two bytes are both plain ASCII is none here: what drops NULs would read those.
    """
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    if b"\0" not in raw:
        return None
    for bare, codec in (
        (raw.removeprefix(b"\0") if len(raw) % 2 else raw, "utf-16-le"),
        (raw.removesuffix(b"\0") if len(raw) % 2 else raw, "utf-16-be"),
    ):
        try:
            found = bare.decode(codec)
        except UnicodeDecodeError:
            continue
        if not any(_both_plain(c) for c in found):
            return found.removeprefix("\ufeff")
    return None


def _both_plain(character: str) -> bool:
    high, low = divmod(ord(character) & 0xFFFF, 256)
    return 0x20 <= high < 0x7F and low < 0x7F
