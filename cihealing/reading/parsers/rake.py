"""Rake: why it aborted. The command of a task that only failed says less than what the command
itself wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("rake aborted!", "rails aborted!", "thor aborted!")
RAISED = re.compile(r"(?P<type>[A-Z]\w*(?:::[A-Z]\w*)*): (?P<message>.*)$")
ECHO = re.compile(r"Command failed with status|.* failed with status")
END = re.compile(r"\(See full trace|\s*$")
ONLY_ECHO = 46


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        if not log.line(number).startswith(MARKS):
            continue
        root = number + 1
        raised = RAISED.match(log.line(root))
        stop = log.block(root, until=END, limit=12).stop
        weight = ONLY_ECHO if ECHO.match(log.line(root)) else 0
        error_type, message = (
            (raised["type"].rpartition("::")[2], raised["message"])
            if raised
            else ("RakeAborted", log.line(root))
        )
        yield Finding(
            kind=Kind.ERROR,
            tool="rake",
            line=root,
            error_type=error_type,
            message=message,
            cites=tuple(range(number, stop + 1)),
            weight=weight,
        )
