"""jest: `● suite › test` blocks, files that could not be loaded. Source: jest's default reporter,
versions 20 to 30.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.thrown import cited, thrown, written

MARKS = ("● ", "coverage threshold for ", "No tests found, exiting with code 1")
PREFIX = r"(?:[@\w/.:-]{1,100}: |\[[^\]\n]{1,60}\] )?"
BULLET = re.compile(rf"(?P<prefix>{PREFIX})\s{{0,6}}● (?P<name>\S.*)$")
NO_TEST = re.compile(
    r"(?:Console|Test suite failed to run|process\.exit called with .*|Cannot log after tests are"
    r" done.*|Multiple configurations found|.*(?:Validation|Deprecation)"
    r" (?:Warning|Error)s?:?|.*:)$"
)
SUITE = "Test suite failed to run"
END = re.compile(
    rf"{PREFIX}(?:\s{{0,6}}● |\s?(?:PASS|FAIL) |Test Suites: |Summary of all failing tests|Ran all"
    r" test suites)"
)
FILE = re.compile(
    rf"{PREFIX}\s?FAIL (?:.{{1,60}} )?(?P<file>\S+\.[cm]?[jt]sx?|\S+\.vue)(?: \([\d.]+ ?m?s\))?$"
)
THRESHOLD = re.compile(r"Jest: (?P<message>.{1,300} coverage threshold for .+ not met.*)$")

PASSED = Saying(
    ("Tests: ",), re.compile(r"Tests: +(?:\d+ (?:skipped|todo), ){0,2}[1-9]\d* passed, \d+ total$")
)
FAILED = Saying(("Tests: ", "Test Suites: "), re.compile(r"Test(?:s| Suites): +[1-9]\d* failed, "))


def parse(log: Log) -> Iterator[Finding]:
    seen: set[str] = set()
    last = 0
    for number in log.having("● "):
        match = BULLET.match(log.line(number))
        name = match["name"].strip() if match else ""
        if match and name == SUITE:
            yield not_loaded(log, number, match["prefix"], after=last)
            last = number
        elif match and name not in seen and not NO_TEST.match(name):
            seen.add(name)
            yield suite_finding(log, number, match["prefix"], name)
    yield from policies(log)


def suite_finding(log: Log, number: int, prefix: str, test: str) -> Finding:
    """The first line below a test's name that is not empty says why."""
    below = said_below(log, number, prefix)
    root = below[0] if below else number
    error_type, message = thrown(log.line(root).removeprefix(prefix))
    return Finding(
        kind=Kind.TEST,
        tool="jest",
        line=root,
        error_type=error_type,
        message=message,
        test=test,
        cites=cited(number, below=below),
    )


def said_below(log: Log, number: int, prefix: str) -> list[int]:
    lines = written(log, log.block(number + 1, until=END, limit=60))
    return [n for n in lines if log.line(n).removeprefix(prefix.rstrip()).strip()]


def not_loaded(log: Log, number: int, prefix: str, *, after: int) -> Finding:
    """jest could not load a test file: no test has a name, the file stands for them."""
    file = next(
        (
            m["file"]
            for n in range(number, max(after, number - 200), -1)
            if (m := FILE.match(log.line(n)))
        ),
        "",
    )
    below = said_below(log, number, prefix)
    root = below[0] if below else number
    error_type, message = thrown(log.line(root).removeprefix(prefix))
    return Finding(
        kind=Kind.ERROR,
        tool="jest",
        line=root,
        error_type=error_type,
        message=message,
        file=file,
        cites=cited(number, below=below),
        weight=79,
    )


def policies(log: Log) -> Iterator[Finding]:
    """All tests may be green and jest still fail."""
    for number in log.having("coverage threshold for "):
        if match := THRESHOLD.match(log.line(number)):
            yield Finding(
                kind=Kind.ERROR,
                tool="jest",
                line=number,
                error_type="coverage",
                message=match["message"],
                weight=69,
            )
    for number in log.having("No tests found, exiting with code 1"):
        yield Finding(
            kind=Kind.ERROR,
            tool="jest",
            line=number,
            error_type="NoTests",
            message="No tests found",
            weight=66,
        )
