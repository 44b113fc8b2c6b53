"""vitest: `FAIL  file > suite > test` above the error they share, unhandled errors. Source:
vitest's default reporter, versions 0 to 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.thrown import cited, thrown, written

MARKS = (
    "FAIL  ",
    " Unhandled ",
    " Uncaught Exception ",
    " does not meet ",
    "No test files found, exiting with code 1",
)
FAIL = re.compile(
    r"\s{0,4}FAIL {2,3}(?:\|[^|\n]{1,60}\| |[\w@/.-]{1,60} {1,3}(?=\S+\.\w{1,6}"
    r" ))?(?P<file>[^\s>]{1,400}\.\w{1,6})(?:(?P<names> > .+)| (?P<suite>\[ .{1,400} \]))$"
)
RULER = re.compile(r"\s{0,4}⎯{4,}")
UNHANDLED = re.compile(r"⎯+ (?P<name>Unhandled (?:Error|Rejection)|Uncaught Exception) ⎯+$")
COVERAGE = re.compile(r"(?:ERROR: )?(?P<message>Coverage for \w+ \([\d.]+%\) does not meet .+)$")

PASSED = Saying(
    ("Test Files  ",), re.compile(r"\s*Test Files  [1-9]\d* passed(?: \| \d+ skipped)? \(\d+\)")
)
FAILED = Saying(("Test Files  ",), re.compile(r"\s*Test Files  [1-9]\d* failed"))


def parse(log: Log) -> Iterator[Finding]:
    seen: set[str] = set()
    for heads in stacks(
        [(n, match) for n in log.having("FAIL  ") if (match := FAIL.match(log.line(n)))]
    ):
        below = written(log, log.block(heads[-1][0] + 1, until=RULER, limit=40))
        below = [n for n in below if not FAIL.match(log.line(n))]
        for number, match in heads:
            if match[0] not in seen:
                seen.add(match[0])
                yield failed(log, number, match, below)
    yield from unhandled(log)
    yield from policies(log)


def stacks(heads: list[tuple[int, re.Match[str]]]) -> Iterator[list[tuple[int, re.Match[str]]]]:
    """Tests that failed with one error stand above each other, and the error below them all."""
    starts = [i for i, (number, _) in enumerate(heads) if i == 0 or number != heads[i - 1][0] + 1]
    return (heads[first:last] for first, last in pairwise([*starts, len(heads)]))


def failed(log: Log, number: int, match: re.Match[str], below: list[int]) -> Finding:
    """A test, or a file that could not be loaded and has no tests."""
    root = below[0] if below else number
    error_type, message = thrown(log.line(root))
    names = match["names"]
    return Finding(
        kind=Kind.TEST if names else Kind.ERROR,
        tool="vitest",
        line=root,
        error_type=error_type,
        message=message,
        test=f"{match['file']}{names}" if names else "",
        file=match["file"],
        cites=cited(number, below=below),
        weight=0 if names else 79,
    )


def unhandled(log: Log) -> Iterator[Finding]:
    """An error outside of every test: all of them may be green."""
    for number in log.having(" Unhandled ", " Uncaught Exception "):
        if UNHANDLED.match(log.line(number)):
            below = written(log, log.block(number + 1, until=RULER, limit=40))
            root = below[0] if below else number
            error_type, message = thrown(log.line(root))
            yield Finding(
                kind=Kind.ERROR,
                tool="vitest",
                line=root,
                error_type=error_type,
                message=message,
                cites=cited(number, below=below),
                weight=76,
            )


def policies(log: Log) -> Iterator[Finding]:
    for number in log.having(" does not meet "):
        if match := COVERAGE.match(log.line(number)):
            yield Finding(
                kind=Kind.ERROR,
                tool="vitest",
                line=number,
                error_type="coverage",
                message=match["message"],
                weight=69,
            )
    for number in log.having("No test files found, exiting with code 1"):
        yield Finding(
            kind=Kind.ERROR,
            tool="vitest",
            line=number,
            error_type="NoTests",
            message="No test files found",
            weight=66,
        )
