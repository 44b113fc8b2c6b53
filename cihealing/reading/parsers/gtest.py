"""GoogleTest. Source: PrettyUnitTestResultPrinter: `[  FAILED  ] Suite.Case`, above it `file:line:
Failure` and the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cihealing.domain.values import Frame
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.frames import relative
from cihealing.reading.log import Log

ENDS = ("[       OK ] ", "[  FAILED  ] ", "[  SKIPPED ] ")
MARKS = (*ENDS, "[ RUN      ] ")
INDENT = r"(?:\d{1,6}: )?"  # ctest -V writes the test's number before its output
TEST = re.compile(
    INDENT
    + r"\[  FAILED  \] (?P<name>[\w/]+\.[\w/.<>-]+)(?:, where (?:TypeParam|GetParam\(\)) = .*?)?(?:"
    r" \(\d+ ms\))?$"
)
SUITE = re.compile(
    INDENT + r"\[  FAILED  \] (?P<name>[\w/]+): SetUpTestSuite or TearDownTestSuite$"
)
RUN = re.compile(INDENT + r"\[ RUN      \] (?P<name>\S+)$")
ENDED = re.compile(
    INDENT + r"\[(?:       OK |  FAILED  |  SKIPPED | RUN      |----------|==========)\]"
)
FAILURE = re.compile(
    INDENT
    + r"(?P<file>(?:[A-Za-z]:)?[^:()]{1,400})(?::|\()(?P<line>\d{1,9})(?:: Failure$|\): error:"
    r" ?(?P<message>.*)$)"
)
UNKNOWN_FILE = re.compile(INDENT + r"unknown file: (?:Failure|error: (?P<message>.*))$")
MOST = 120
MOST_OPEN = 20
CRASH_WEIGHT = 72
"""Below a sanitizer's report, above the shell's word of a signal."""
MOST_CITED = 14
PASSED = Saying(("[  PASSED  ] ",), re.compile(INDENT + r"\[  PASSED  \] [1-9]\d* tests?\.$"))
FAILED = Saying((" FAILED TEST",), re.compile(INDENT + r"\s*\d+ FAILED TESTS?$"))


@dataclass(frozen=True, slots=True)
class GtestFailure:
    """Where a test's failure is stated and what it says."""

    line: int
    message: str
    frame: Frame | None = None


def parse(log: Log) -> Iterator[Finding]:
    runs = {
        match["name"]: n for n in log.having("[ RUN      ] ") if (match := RUN.match(log.line(n)))
    }
    failed: dict[str, int] = {}
    for number in log.having("[  FAILED  ] "):
        if match := TEST.match(log.line(number)) or SUITE.match(log.line(number)):
            failed.setdefault(match["name"], number)
    yield from (finding(log, name, number, runs.get(name, 0)) for name, number in failed.items())
    yield from crashed(log, runs)


def finding(log: Log, name: str, number: int, run: int) -> Finding:
    lines = log.block(run + 1, until=ENDED, limit=MOST) if 0 < run < number else range(0)
    said = next((said for n in lines if (said := failure(log, n))), None)
    stop = min(lines.stop, said.line + MOST_CITED) if said else 0
    shown = [n for n in range(said.line, stop) if log.line(n).strip()] if said else []
    return Finding(
        kind=Kind.TEST,
        tool="gtest",
        line=said.line if said else number,
        error_type="TestFailed",
        message=said.message if said else "",
        test=name,
        cites=(*shown, number),
        frames=(said.frame,) if said and said.frame else (),
    )


def failure(log: Log, number: int) -> GtestFailure | None:
    text = log.line(number)
    if match := FAILURE.match(text):
        return GtestFailure(
            number,
            match["message"] or message_below(log, number),
            Frame(file=relative(match["file"]), line=int(match["line"])),
        )
    if match := UNKNOWN_FILE.match(text):
        return GtestFailure(number, match["message"] or message_below(log, number))
    return None


def message_below(log: Log, number: int) -> str:
    """The lines of a message up to the next failure or the test's end, as one."""
    lines = log.block(number + 1, until=ENDED, limit=5)
    end = next(
        (n for n in lines if FAILURE.match(log.line(n)) or not log.line(n).strip()), lines.stop
    )
    return " ".join(
        re.sub(INDENT, "", log.line(n), count=1).strip() for n in range(lines.start, end)
    )


def crashed(log: Log, runs: dict[str, int]) -> Iterator[Finding]:
    """A test that began and had no end took the process with it; where many have none, the log
    tells ends in another way.
    """
    ended = (
        {name for number in log.having(*ENDS) for name in ended_by(log.line(number))}
        if runs
        else set()
    )
    open_ends = [(name, number) for name, number in runs.items() if name not in ended]
    for name, number in open_ends if len(open_ends) <= MOST_OPEN else ():
        lines = log.block(number + 1, until=ENDED, limit=9)
        yield Finding(
            kind=Kind.TEST,
            tool="gtest",
            line=number,
            error_type="crash",
            message="the test did not end",
            test=name,
            cites=(number, *lines),
            weight=CRASH_WEIGHT,
        )


def ended_by(text: str) -> list[str]:
    """The test that a line ends; what the test printed may stand before it."""
    return [
        after.split()[0].rstrip(",") for end in ENDS if (after := text.partition(end)[2].strip())
    ]
