"""Which lines of a text hold which of very many substrings, in one pass.

With the optional package `hyperscan` at the speed of a grep; without it, or on a processor it does
not know, with `re` and equal answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from threading import Lock
from typing import Any, Protocol

Hits = Mapping[str, Sequence[int]]
"""Needle -> indexes (from 0) of the lines that hold it, ascending. A needle that is nowhere is not
in it.
"""
BLOCK = 1 << 20
"""Bytes searched at once, so that a text that consists of needles takes no more memory than
another.
"""
BUILDING = Lock()
"""Held by whoever builds what all others wait for: threads that begin together do not each build
their own.
"""
Place = tuple[int, int]
"""Where a needle stands: a place in its line, as an offset into the text; the needle's position."""


class Engine(Protocol):
    def places(self, data: bytes) -> list[Place]:
        """All places of all needles, by ascending line. `data` begins with a line break of its
        own.
        """


class Scanner:
    """`needles`: substrings; one that begins with a line break stands at the start of a line."""

    def __init__(self, needles: Iterable[str], *, fast: bool | None = None) -> None:
        self.needles = tuple(dict.fromkeys(needles))
        self.known = frozenset(self.needles)
        self.words = [needle.encode("utf-8", "surrogatepass") for needle in self.needles]
        self.fast = fast
        """None: the fast engine where there is one."""

    def hits(self, data: bytes) -> Hits:
        """`data`: text whose lines end in `\n` alone."""
        found: dict[int, list[int]] = {}
        line = 0
        for block in blocks(data):
            self.look(b"\n" + block, found, first=line)
            line += block.count(b"\n") + 1
        return {self.needles[position]: lines for position, lines in sorted(found.items())}

    def look(self, text: bytes, found: dict[int, list[int]], *, first: int) -> None:
        start, line, count = 1, first, text.count
        for place, word in self.engine.places(text):
            if place > start:
                line += count(b"\n", start, place)
                start = place
            lines = found.setdefault(word, [])
            if not lines or lines[-1] != line:
                lines.append(line)

    @cached_property
    def engine(self) -> Engine:
        with BUILDING:
            return self.built()

    def built(self) -> Engine:
        if self.fast is not False:
            try:
                return Automaton(self.words, import_module("hyperscan"))
            except (
                Exception
            ):  # not installed, or built for another processor: the other engine answers the same
                if self.fast:
                    raise
        return Trie(self.words)


class Automaton:
    """All needles in one state machine. Source: documentation of Hyperscan and of its Python
    binding.
    """

    def __init__(self, words: Sequence[bytes], hyperscan: Any) -> None:
        self.scanning = Lock()
        """The machine's scratch space serves one thread at a time."""
        self.database = hyperscan.Database()
        expressions = [b"".join(b"\\x%02x" % byte for byte in word) for word in words]
        self.database.compile(
            expressions=expressions,
            ids=list(range(len(words))),
            elements=len(words),
            flags=[0] * len(words),
        )

    def places(self, data: bytes) -> list[Place]:
        found: list[Place] = []
        add = found.append
        with self.scanning:
            self.database.scan(
                data,
                match_event_handler=lambda word, _start, end, _flags, _context: add(
                    (end - 1, word)
                ),
            )
        return found


class Trie:
    """One expression that branches on one byte after the other. It finds the shortest needle at a
    place; the longer ones that begin with it are tried there.
    """

    def __init__(self, words: Sequence[bytes]) -> None:
        tree: dict[int, Any] = {}
        for word in words:
            node = tree
            for byte in word:
                node = node.setdefault(byte, {})
            node[-1] = {}
        self.pattern = re.compile(b"(?=(%s))" % b"".join(branches(tree)))
        self.begin = {
            short: [(long, at) for at, long in enumerate(words) if long.startswith(short)]
            for short in words
        }

    def places(self, data: bytes) -> list[Place]:
        begin = self.begin
        return [
            (match.start() + (word[:1] == b"\n"), position)
            for match in self.pattern.finditer(data)
            for word, position in begin[match[1]]
            if data.startswith(word, match.start())
        ]


def branches(tree: Mapping[int, Any]) -> Iterator[bytes]:
    """The expression of a tree; what ends here needs nothing behind it."""
    if -1 in tree:
        return
    children = [
        re.escape(bytes([byte])) + b"".join(branches(child)) for byte, child in sorted(tree.items())
    ]
    yield children[0] if len(children) == 1 else b"(?:" + b"|".join(children) + b")"


def blocks(data: bytes) -> Iterator[bytes]:
    """Pieces of whole lines, without the line break between them."""
    at = 0
    while at <= len(data):
        stop = data.rfind(b"\n", at, at + BLOCK) if len(data) - at > BLOCK else len(data)
        stop = stop if stop >= at else data.find(b"\n", at)
        stop = stop if stop >= at else len(data)
        yield data[at:stop]
        at = stop + 1
