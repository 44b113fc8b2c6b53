"""Where secrets stand in a text, and how they are replaced."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MARKER = re.compile(r"\[redacted:[a-z0-9-]{1,40}:[0-9a-f]{4}\]")
CHUNK = 1 << 17
"""Characters looked at in one go: few enough that all copies of them stay in the processor's
cache.
"""

Span = tuple[int, int, str]
"""Start, end, kind."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of a text, with copies of one byte a character in which searching is cheap."""

    text: str
    """The whole text: what begins in the chunk may end beyond it."""
    start: int
    raw: bytes
    lower: bytes

    def places(self, needle: bytes) -> Iterator[int]:
        """Where the (lower-case) needle stands in the text."""
        at = self.lower.find(needle)
        while at >= 0:
            yield self.start + at
            at = self.lower.find(needle, at + 1)

    def matches(self, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, bytes]]:
        """Where a pattern over lower-case bytes begins in the text, and what it matched."""
        return ((self.start + match.start(), match[0]) for match in pattern.finditer(self.lower))


def chunks(text: str) -> Iterator[Chunk]:
    at = 0
    while at < len(text):
        end = text.find("\n", at + CHUNK) + 1 or len(text)
        raw = text[at:end].encode("ascii", "replace")
        yield Chunk(text, at, raw, raw.lower())
        at = end


def disjoint(spans: Iterable[Span]) -> list[Span]:
    """Overlapping spans made one, of the kind of the one that begins first (of those that begin
    together: the first given).
    """
    joined: list[Span] = []
    for start, end, kind in sorted(spans, key=lambda span: span[0]):
        if joined and start < joined[-1][1]:
            begun, until, first = joined[-1]
            joined[-1] = (begun, max(until, end), first)
        else:
            joined.append((start, end, kind))
    return joined


def replaced(text: str, spans: list[Span]) -> str:
    """The text with a marker for every one of the disjoint spans."""
    pieces, at = [], 0
    for start, end, kind in spans:
        pieces += [text[at:start], marker(kind, text[start:end])]
        at = end
    return "".join([*pieces, text[at:]])


def marker(kind: str, secret: str) -> str:
    """Breaks inside the secret are kept, so that what follows keeps its line number."""
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:4]
    return f"[redacted:{kind}:{digest}]" + "\n" * secret.count("\n")
