"""A cleaned log that parsers can search. Of a large one only the lines worth reading are there
(sieve.py), under their own numbers.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property

from cihealing.reading import clean
from cihealing.reading.scan import Hits

MAX_HITS = 20_000
"""Lines one search may give; of more, the last ones count, as failures stand near the end."""
MAX_HEADER = 400
RUN = "##[group]Run "


class Log:
    """`numbers`: those of `lines` in the file, ascending (None: all are there). `hits`: what was
    `searched` for in `lines`.
    """

    def __init__(
        self,
        lines: Sequence[str],
        *,
        numbers: Sequence[int] | None = None,
        total: int | None = None,
        hits: Hits | None = None,
        searched: frozenset[str] = frozenset(),
    ) -> None:
        self.lines = lines
        self.numbers = numbers
        self.total = len(lines) if total is None else total
        self.found: dict[str, Sequence[int]] = {
            needle: self.numbered(at[-MAX_HITS:]) for needle, at in (hits or {}).items()
        }
        self.searched = searched
        self.said: dict[int, str] = {}

    def __len__(self) -> int:
        return self.total

    def raw(self, number: int) -> str:
        """The line with the stamps and prefixes CI put before it."""
        if self.numbers is None:
            return self.lines[number - 1] if 0 < number <= len(self.lines) else ""
        at = bisect_left(self.numbers, number)
        return self.lines[at] if at < len(self.numbers) and self.numbers[at] == number else ""

    def line(self, number: int) -> str:
        """What the line says; empty beyond the log, and where a large log's line was not kept."""
        text = self.said.get(number)
        if text is None:
            text = self.said[number] = clean.bare_line(self.raw(number))
        return text

    def numbered(self, indexes: Sequence[int]) -> Sequence[int]:
        return (
            [i + 1 for i in indexes] if self.numbers is None else [self.numbers[i] for i in indexes]
        )

    def having(self, *needles: str) -> list[int]:
        """Numbers of the lines that hold any of the needles, ascending, at most MAX_HITS of each
        needle.
        """
        found = [numbers for needle in self.present(needles) if (numbers := self.hits(needle))]
        if len(found) < 2:
            return list(found[0]) if found else []
        return sorted({number for numbers in found for number in numbers})

    def has(self, *needles: str) -> bool:
        """Whether any of the needles is there."""
        return any(self.hits(needle) for needle in self.present(needles))

    def present(self, needles: Sequence[str]) -> Sequence[str]:
        """Those that may be there: of the many that are asked for, nearly always none."""
        if self.found.keys().isdisjoint(needles) and self.searched.issuperset(needles):
            return ()
        return needles

    def hits(self, needle: str) -> Sequence[int]:
        if needle not in self.found:
            if needle in self.searched:
                return ()
            self.found[needle] = self.search(needle)
        return self.found[needle]

    def search(self, needle: str) -> Sequence[int]:
        """What no scanner looked for: slow."""
        return self.numbered(
            [
                i
                for i, text in enumerate(self.lines)
                if needle in text or f"\n{text}".startswith(needle)
            ][-MAX_HITS:]
        )

    def block(self, first: int, *, until: re.Pattern[str], limit: int = 200) -> range:
        """Line numbers from `first` up to and without the first line that matches `until`."""
        last = min(first + limit, self.total + 1)
        stop = next((n for n in range(first, last) if until.match(self.line(n))), last)
        return range(first, stop)

    @cached_property
    def headers(self) -> Sequence[range]:
        """The lines on which GitHub repeats a step's script and settings, a range a step."""
        return [
            range(start, self.end_of_header(start) + 1)
            for start in self.having(RUN)
            if self.line(start).startswith(RUN)
        ]

    def end_of_header(self, start: int) -> int:
        """The line that ends it; the first itself where the next header comes before."""
        last = min(start + MAX_HEADER, self.total)
        stop = next(
            (
                n
                for n in range(start + 1, last + 1)
                if self.line(n).startswith(("##[endgroup]", RUN))
            ),
            start,
        )
        return start if self.line(stop).startswith(RUN) else stop

    @cached_property
    def echoed(self) -> frozenset[int]:
        """They say what was asked, not what happened."""
        return frozenset(number for header in self.headers for number in header)

    def kept(self, first: int, last: int) -> Iterator[int]:
        """Numbers of the lines that are there, from `first` to `last`."""
        if self.numbers is None:
            yield from range(max(first, 1), min(last, self.total) + 1)
            return
        for at in range(bisect_left(self.numbers, first), len(self.numbers)):
            if self.numbers[at] > last:
                return
            yield self.numbers[at]
