"""test-unit 2 and 3."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

MARKS = ("Failure: ", "Error: ")
PASSED = Saying(
    (" notifications",), re.compile(r"\d+ tests, \d+ assertions, 0 failures, 0 errors, ")
)
FAILED = Saying(
    (" notifications",),
    re.compile(
        r"\d+ tests, \d+ assertions, (?:[1-9]\d* failures, \d+ errors|0 failures, [1-9]\d*"
        r" errors), "
    ),
)
VERDICT = re.compile(
    r"(?P<verdict>Failure|Error): (?P<test>test(?:_|: ).*?)\((?P<owner>[\w:]+)\)(?::(?:"
    r" (?P<rest>.+))?)?$"
)
RAISED = re.compile(r"(?P<type>[A-Z]\w*(?:::[A-Z]\w*)*)(?:: (?P<message>.*))?$")
STOP = re.compile(r"={20,}$|-{20,}$")
SOURCE = re.compile(r"\s*(?:=> )?\s*\d+: ")
FRAME = re.compile(r"\S+:\d+:in ")
MAX_ITEM = 40


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        match = VERDICT.match(log.line(number))
        if match:
            yield finding(log, number, match)


def finding(log: Log, number: int, match: re.Match[str]) -> Finding:
    lines = log.block(number + 1, until=STOP, limit=MAX_ITEM)
    raised = RAISED.match(match["rest"] or "")
    stated = [
        n
        for n in lines
        if log.line(n).strip() and not SOURCE.match(log.line(n)) and not FRAME.match(log.line(n))
    ]
    root = number if match["rest"] else stated[0] if stated else number
    message = (raised["message"] or "") if raised else match["rest"] or log.line(root).strip()
    return Finding(
        kind=Kind.TEST,
        tool="test-unit",
        line=root,
        error_type=raised["type"].rpartition("::")[2] if raised else "AssertionFailedError",
        message=message,
        test=f"{match['owner']}#{match['test']}",
        cites=(number, *lines),
    )
