"""What parsers find in a log, before it is weighed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from cihealing.domain.values import Frame


class Kind(StrEnum):
    TEST = "test"
    COMPILE = "compile"
    LINT = "lint"
    ERROR = "error"
    """An exception or a tool's own last word, outside a test."""
    RULE = "rule"
    """A known sign (see rules/)."""
    TALK = "talk"
    """A line that only sounds like an error."""
    EXIT = "exit"
    """The echo of an exit code."""


WEIGHT = {
    Kind.TEST: 80,
    Kind.COMPILE: 78,
    Kind.LINT: 72,
    Kind.ERROR: 64,
    Kind.RULE: 60,
    Kind.TALK: 30,
    Kind.EXIT: 5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that went wrong. `line` states it best, `cites` are the lines worth showing with
    it.
    """

    kind: Kind
    tool: str
    line: int
    error_type: str
    message: str = ""
    test: str = ""
    file: str = ""
    rule: str = ""
    cites: tuple[int, ...] = ()
    frames: tuple[Frame, ...] = ()
    """Where the parser knows them; else they are looked for in the cited lines (see frames.py)."""
    weight: int = 0

    @property
    def rank(self) -> int:
        return self.weight or WEIGHT[self.kind]

    @property
    def shown(self) -> tuple[int, ...]:
        return self.cites or (self.line,)


@dataclass(frozen=True, slots=True)
class Saying:
    """How a tool says in one line that a whole run passed, or that it failed."""

    marks: tuple[str, ...]
    """Substrings, one of which such a line holds."""
    pattern: re.Pattern[str]
    """Matched from the start of the line."""

    def on(self, line: str) -> bool:
        return bool(self.pattern.match(line))
