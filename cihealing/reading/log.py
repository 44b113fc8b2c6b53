"""A cleaned log that parsers can search at the speed of `str.find`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from functools import cached_property
from itertools import accumulate

MAX_HITS = 20_000
"""Lines one search may give; of more, the last ones count, as failures stand near the end."""
MAX_HEADER = 400

HEADER = re.compile(r"##\[group\]Run |\[command\]|##\[command\]")
COMMAND = re.compile(r"(?:##\[group\]Run |(?:\[\S+ \S+\])?\$ |\+ |\[command\]|##\[command\])(?P<command>\S.*)")
NOT_A_COMMAND = re.compile(r"(?:\$ |\+ )(?:export |echo |cd |set )|[\[{(|<>^]")


class Log:
    """`lines[n - 1]` is line n of the original file."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.text = "\n".join(lines)
        self.known: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self.lines)

    def line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    @cached_property
    def starts(self) -> list[int]:
        return list(accumulate((len(line) + 1 for line in self.lines), initial=0))

    def having(self, *needles: str) -> list[int]:
        """Numbers of the lines that hold any of the needles, ascending, at most MAX_HITS of each needle."""
        return sorted({number for needle in needles for number in self.hits(needle)})

    def has(self, needle: str) -> bool:
        return bool(self.hits(needle))

    def hits(self, needle: str) -> tuple[int, ...]:
        if needle not in self.known:
            self.known[needle] = tuple(self.searched(needle))
        return self.known[needle]

    def searched(self, needle: str) -> Iterable[int]:
        found: deque[int] = deque(maxlen=MAX_HITS)
        text, starts, at = self.text, self.starts, self.text.find(needle)
        while at >= 0:
            number = bisect_right(starts, at)
            found.append(number)
            at = text.find(needle, starts[number]) if number < len(starts) else -1
        return found

    def block(self, first: int, *, until: re.Pattern[str], limit: int = 200) -> range:
        """Line numbers from `first` up to and without the first line that matches `until`."""
        last = min(first + limit, len(self.lines) + 1)
        stop = next((n for n in range(first, last) if until.match(self.lines[n - 1])), last)
        return range(first, stop)

    @cached_property
    def echoed(self) -> frozenset[int]:
        """Lines on which GitHub repeats a step's script and settings: they say what was asked, not what happened."""
        found: set[int] = set()
        for start in self.having("##[group]Run "):
            last = min(start + MAX_HEADER, len(self.lines))
            stop = next((n for n in range(start, last) if self.lines[n - 1].startswith("##[endgroup]")), start)
            found.update(range(start, stop + 1))
        return frozenset(found)

    def command_before(self, number: int) -> str:
        """The command that CI says was running at a line; empty where the log does not tell."""
        for n in range(min(number, len(self.lines)), max(0, number - 50_000), -1):
            text = self.lines[n - 1]
            if text[:1] in "$+#[" and (found := COMMAND.match(text)) and not NOT_A_COMMAND.match(text):
                return found["command"][:300]
        return ""
