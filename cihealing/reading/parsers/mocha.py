"""mocha's list of failures below `N failing`, which Cypress and others print too. Source: mocha's
base reporter, versions 1 to 11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.thrown import SHOWN, thrown

MARKS = (" failing", " failed:")
FAILING = re.compile(
    r"(?P<indent>\s{0,8})(?:(?P<count>\d{1,6}) failing|✖ (?P<old>\d{1,6}) of \d{1,6} tests?"
    r" failed:)$"
)
ITEM = re.compile(r"(?P<indent>\s{1,8})(?P<number>\d{1,6})\) (?P<title>\S.*)$")
MAX_REPORT = 60_000
MAX_ITEM = 1000

FAILED = Saying((" failing",), re.compile(r"\s{0,8}[1-9]\d* failing$"))


def parse(log: Log) -> Iterator[Finding]:
    starts = [start for start in log.having(*MARKS) if FAILING.match(log.line(start))]
    for start, following in zip(starts, [*starts[1:], len(log) + 1], strict=False):
        yield from report(log, range(start + 1, min(following, start + MAX_REPORT)))


def report(log: Log, lines: range) -> Iterator[Finding]:
    """The failures, numbered from 1. A message may hold anything, also lines that are not indented,
    so the numbers lead.
    """
    said = FAILING.match(log.line(lines.start - 1))
    count, last, wanted = int(said["count"] or said["old"]) if said else 0, lines.start, 1
    for number in lines:
        if wanted > count or number - last > MAX_ITEM:
            return
        match = ITEM.match(log.line(number))
        if match and int(match["number"]) == wanted:
            yield item(log, number, match)
            last, wanted = number, wanted + 1


def item(log: Log, start: int, match: re.Match[str]) -> Finding:
    titles, last = titles_of(log, start, match)
    below = below_titles(log, last)
    root = below[0] if below else last
    error_type, message = thrown(log.line(root))
    return Finding(
        kind=Kind.TEST,
        tool="mocha",
        line=root,
        error_type=error_type,
        message=message,
        test=" ".join(titles).removesuffix(":"),
        cites=(*range(start, last + 1), *below[:SHOWN]),
    )


def titles_of(log: Log, start: int, match: re.Match[str]) -> tuple[list[str], int]:
    """Suites and test, each deeper than the one above it; the last one ends in a colon."""
    titles, number, depth = [match["title"].strip()], start, len(match["indent"])
    while not titles[-1].endswith(":") and number < start + 12:
        text = log.line(number + 1)
        if len(text) - len(text.lstrip()) <= depth + 3 or not text.strip():
            break
        titles.append(text.strip())
        number += 1
    return titles, number


def below_titles(log: Log, last: int) -> list[int]:
    return [n for n in log.block(last + 1, until=ITEM, limit=24) if log.line(n).strip()]
