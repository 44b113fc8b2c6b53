"""PHP itself: errors that end a program, files that cannot be parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("Fatal error: ", "Parse error: ")
FORM = re.compile(
    r"\s{0,4}(?:PHP )?(?P<kind>Fatal|Parse) error:\s{1,2}(?P<message>.+?)(?: in"
    r" (?P<file>\S{1,400}?)(?:(?: on line |:)\d{1,9}))?$"
)
UNCAUGHT = re.compile(r"Uncaught (?:exception ')?(?P<type>[\w\\]+)")
STACK = re.compile(r"Stack trace:|#\d+ |\s+thrown in |Next ")


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        if match := FORM.match(log.line(number)):
            yield finding(log, number, match)


def finding(log: Log, number: int, match: re.Match[str]) -> Finding:
    uncaught = UNCAUGHT.match(match["message"])
    stop = next(
        (n for n in range(number + 1, number + 60) if not STACK.match(log.line(n))), number + 60
    )
    is_syntax = match["kind"] == "Parse"
    return Finding(
        kind=Kind.COMPILE if is_syntax else Kind.ERROR,
        tool="php",
        line=number,
        error_type=(
            "syntax"
            if is_syntax
            else uncaught["type"].rpartition("\\")[2]
            if uncaught
            else "FatalError"
        ),
        message=match["message"],
        file=match["file"] or "",
        cites=tuple(range(number, stop)),
        weight=0 if is_syntax else 70,
    )
