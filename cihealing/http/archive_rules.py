"""How much an archive may hold, and what its entries may be called. Pure."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterator
from typing import NoReturn

from cihealing.http.refusal import Refusal, RequestRefused

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
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def refuse(rule: str, text: str) -> NoReturn:
    raise RequestRefused(Refusal(rule, text))


def name_of(raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        refuse("archive.name", "a name in the archive is not UTF-8")
    if (
        not name
        or len(raw) > MAX_NAME
        or any(unicodedata.category(char) in _HIDDEN for char in name)
    ):
        refuse(
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
        refuse("archive.traversal", "a name in the archive leads out of it")
    return name.removeprefix("./") or "./"


class Allowance:
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
                    refuse(
                        "archive.bomb",
                        f"a file of the archive unpacks to more than {MAX_RATIO} times its size",
                    )
            if not rest and len(out) == before and not inflate.eof:
                refuse("archive.truncated", "the archive ends too early")
        return bytes(out), at - len(inflate.unused_data)

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            refuse("archive.bomb", f"the archive unpacks to more than {MAX_UNPACKED} bytes")


def _pieces(inflate: zlib._Decompress, rest: bytes) -> Iterator[bytes]:
    try:
        yield inflate.decompress(rest, CHUNK)
        while inflate.unconsumed_tail and not inflate.eof:
            yield inflate.decompress(inflate.unconsumed_tail, CHUNK)
    except zlib.error as error:
        refuse(
            "archive.crc" if "check" in str(error) else "archive.broken",
            "a file of the archive cannot be unpacked",
        )
