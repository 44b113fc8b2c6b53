"""CTest: `The following tests FAILED:` and, with --output-on-failure or -V, each test's output.
Source: cmCTestTestHandler.

A test that CTest runs is a program: what its own framework says of it (gtest, Catch2) weighs more
than CTest's line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

RESULTS = ("***Failed", "***Timeout", "***Not Run", "***Exception", "***Aborted")
MARKS = ("The following tests FAILED:", *RESULTS)
LISTED = re.compile(
    r"\s+\d+ - (?P<name>.+?) \((?P<how>Failed|Timeout|Not"
    r" Run|BAD_COMMAND|SEGFAULT|ILLEGAL|INTERRUPT|NUMERICAL|OTHER_FAULT|Subprocess"
    r" (?:aborted|killed|terminated)|Child (?:aborted|killed|terminated)|Exit code"
    r" 0x[0-9a-fA-F]+|Required regular expression .{1,60}|Error regular expression .{1,60}|Could"
    r" not find executable|Unable to .{1,60}|ILLEGAL|.{0,40}exit code.{0,40})\)?(?:\s.*)?$"
)
RESULT = re.compile(
    r"\s*\d+/\d+ (?:Test|MemCheck)\s{1,4}#(?P<id>\d+): (?P<name>.+?)"
    r" \.{2,}\s*\*{3}(?P<how>Failed|Timeout|Not Run|Exception: ?\S*|Skipped|Aborted|.{1,60}?)\s{2,}"
)
NEXT = re.compile(r"\s*(?:Start\s+\d+: |\d+/\d+ (?:Test|MemCheck)|\d+% tests passed)")
LOUD = re.compile(
    r"(?i).{0,300}\b(?:error|fail(?:ed|ure)?|assert\w*|expected|cannot|exception|terminate"
    r" called|mismatch|no such|fatal)\b"
)
PASSED = Saying(
    ("% tests passed",), re.compile(r"100% tests passed(?:, 0 tests failed out of \d+|!)")
)
FAILED = Saying(
    ("% tests passed",), re.compile(r"\d{1,2}% tests passed, [1-9]\d* tests? failed out of \d+")
)
LIST_END = re.compile(r"\s*$|\S|\s+The following")
WEIGHT = 66
MOST, MOST_ABOVE, MOST_CITED = 200, 60, 12
SET_UP = re.compile(
    r"\d+: (?:Test command: |Working Directory: |Environment variables: |Test timeout"
    r" computed|\s|$)"
)


def parse(log: Log) -> Iterator[Finding]:
    results = {
        match["name"]: n for n in log.having(*RESULTS) if (match := RESULT.match(log.line(n)))
    }
    told: dict[str, Finding] = {}
    for name, number in results.items():
        told[name] = finding(log, name, number, how=RESULT.match(log.line(number)))
    for head in log.having("The following tests FAILED:"):
        for number in log.block(head + 1, until=LIST_END, limit=2000):
            if match := LISTED.match(log.line(number)):
                told.setdefault(
                    match["name"], finding(log, match["name"], number, how=match, alone=True)
                )
    yield from told.values()


def finding(
    log: Log, name: str, number: int, *, how: re.Match[str] | None, alone: bool = False
) -> Finding:
    """`alone`: the line is one of a list, with no output below it."""
    output = (
        []
        if alone
        else [n for n in log.block(number + 1, until=NEXT, limit=MOST) if log.line(n).strip()]
    )
    output = output or ([] if alone or not how else told_above(log, number, how["id"]))
    root = next((n for n in output if LOUD.match(log.line(n))), output[-1] if output else number)
    said = how["how"] if how else ""
    cites = {number, root, *[n for n in output if abs(n - root) <= MOST_CITED // 2]}
    return Finding(
        kind=Kind.TEST,
        tool="ctest",
        line=root,
        error_type=type_of(said),
        message=said if root == number else log.line(root).strip(),
        test=name,
        cites=tuple(sorted(cites)),
        weight=WEIGHT,
    )


def told_above(log: Log, number: int, test: str) -> list[int]:
    """With -V a test's output stands above its result, each line behind the test's number."""
    start = number
    while start > max(1, number - MOST_ABOVE) and log.line(start - 1).startswith(f"{test}: "):
        start -= 1
    return [n for n in range(start, number) if not SET_UP.match(log.line(n))]


def type_of(how: str) -> str:
    if "imeout" in how:
        return "Timeout"
    return (
        "crash"
        if re.search(r"SEGFAULT|SegFault|Exception|aborted|killed|ILLEGAL|FAULT|NUMERICAL", how)
        else "TestFailed"
    )
