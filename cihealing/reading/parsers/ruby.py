"""Ruby itself: an exception that nobody caught, a file that cannot be parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = (".rb:", ">:", "-e:")
UNCAUGHT = re.compile(
    r"(?P<file>\S{1,400}\.rb|<internal:\S{1,300}>|-e):(?P<line>\d{1,9}):in ['`][^'`]{1,300}':"
    r" (?P<message>.*) \((?P<type>[A-Z]\w*(?:::[A-Z]\w*)*)\)$"
)
SYNTAX = re.compile(
    r"(?:\S+: )?(?P<file>\S{1,400}\.rb):\d{1,9}: (?P<message>syntax errors? .*|.{0,100}syntax"
    r" error, .*)$"
)
FROM = re.compile(r"\s+from \S|\s+\d+: from \S")


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        text = log.line(number)
        if match := UNCAUGHT.match(text):
            stop = next(
                (n for n in range(number + 1, number + 100) if not FROM.match(log.line(n))),
                number + 100,
            )
            yield Finding(
                kind=Kind.ERROR,
                tool="ruby",
                line=number,
                error_type=match["type"].rpartition("::")[2],
                message=match["message"],
                file=match["file"],
                cites=tuple(range(number, stop)),
            )
        elif match := SYNTAX.match(text):
            yield Finding(
                kind=Kind.COMPILE,
                tool="ruby",
                line=number,
                error_type="syntax",
                message=match["message"],
                file=match["file"],
            )
