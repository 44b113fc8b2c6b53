"""Python's doctest by itself and Sphinx's: `Failed example:` below the name of what documents
it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("Failed example:",)
PLACE = re.compile(r'File "(?P<file>[^"]{1,500})", line (?:\d+|\?+), in (?P<name>\S.*)$')
END = re.compile(r"\*{20,}|-{20,}|\d+ items? (?:had|passed)|$")


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having("Failed example:"):
        match = PLACE.match(log.line(number - 1))
        if match and log.line(number) == "Failed example:":
            lines = log.block(number + 1, until=END, limit=60)
            root = next(
                (n for n in lines if log.line(n).startswith(("Expected", "Exception raised"))),
                number,
            )
            message = " ".join(log.line(n).strip() for n in lines if n >= root)[:300]
            yield Finding(
                kind=Kind.TEST,
                tool="doctest",
                line=root,
                error_type="DocTestFailure",
                message=message,
                test=match["name"],
                file=match["file"],
                cites=(number - 1, number, *lines),
            )
