"""sbt's own last words: the task that failed, libraries that cannot be had."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

MARKS = (
    "[error] (",
    "[error] Error downloading ",
    "[error] Not a valid ",
    "[error] sbt.librarymanagement.ResolveException",
)
PASSED = Saying(("[success] Total time",), re.compile(r"\[success\] Total time"))
TASK = re.compile(
    r"\[error\] \((?P<task>[\w /:*{}@.,-]{1,200})\) (?:(?P<type>(?:[\w$]+\.)+[A-Z][\w$]*):"
    r" )?(?P<message>.+)$"
)
RESOLVE = re.compile(
    r"\[error\] (?:sbt\.librarymanagement\.ResolveException: )?(?P<message>Error downloading"
    r" \S+|Not a valid (?:command|key|project)\b.*)"
)
DETAIL = re.compile(r"\[error\]\s{2,}\S")


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        text = log.line(number)
        if match := RESOLVE.match(text):
            yield finding(
                log, number, message=match["message"], error_type="ResolveException", weight=66
            )
        elif match := TASK.match(text):
            yield finding(
                log,
                number,
                message=match["message"],
                error_type=(match["type"] or "TaskFailed").rpartition(".")[2],
                weight=62,
            )


def finding(log: Log, number: int, *, message: str, error_type: str, weight: int) -> Finding:
    stop = next(
        (n for n in range(number + 1, number + 8) if not DETAIL.match(log.line(n))), number + 8
    )
    return Finding(
        kind=Kind.ERROR,
        tool="sbt",
        line=number,
        error_type=error_type,
        message=message,
        cites=tuple(range(number, stop)),
        weight=weight,
    )
