"""Python outside a test runner: tracebacks and syntax errors."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("Traceback (most recent call last)", "SyntaxError: ", "IndentationError: ", "Error: ")
START = "Traceback (most recent call last)"
RAISED = re.compile(
    r"(?P<type>[A-Za-z_][\w.]{0,200}(?:Error|Exception|Exit|Interrupt|Warning|Failure|Failed|Timeout|NotFound|DoesNotExist|Refused|Denied|Fault|Group))(?:: (?P<message>.*)|:?$)"
)
MAX_TRACE = 120


def raised(line: str) -> tuple[str, str] | None:
    """Type (without its module) and message of a line such as `pkg.FooError: text`."""
    found = RAISED.match(line)
    return (found["type"].rpartition(".")[2], found["message"] or "") if found else None


def parse(log: Log) -> Iterator[Finding]:
    for start in log.having(START):
        if found := traceback(log, start):
            yield found
    for number in log.having("SyntaxError: ", "IndentationError: ", "TabError: "):
        if (error := raised(log.line(number))) and log.line(number - 1).strip(" ^~"):
            yield Finding(
                kind=Kind.ERROR,
                tool="python",
                line=number,
                error_type=error[0],
                message=error[1],
                cites=tuple(range(max(1, number - 3), number + 1)),
            )


def traceback(log: Log, start: int) -> Finding | None:
    indent = log.line(start).find(START)
    for number in range(start + 1, min(start + MAX_TRACE, len(log) + 1)):
        text = log.line(number)
        body = text[indent:]
        if text[:indent].strip(" |+-") and indent:
            continue
        if body[:1] in ("", " ", "\t", "|", "+"):
            continue
        error = raised(body)
        if error is None:
            return None
        return Finding(
            kind=Kind.ERROR,
            tool="python",
            line=number,
            error_type=error[0],
            message=error[1],
            cites=tuple(range(max(start, number - 60), number + 1)),
        )
    return None
