"""Exceptions with a JVM stack trace outside of tests: Jenkins itself, plug-ins, a program that
died.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log
from cihealing.reading.traces import simple, trace

MARKS = ("\tat ", " at ")
RAISED = re.compile(
    r'\s{0,4}(?:\[[\w:-]{1,24}\] {1,4})?(?:Exception in thread "[^"]{1,200}" |Caused: |Caused by:'
    r" )?(?P<type>(?:[a-z_][\w$]{0,80}\.){1,12}[A-Z][\w$]{0,120})(?:: (?P<message>.*))?$"
)
MAX_TRACES = 20_000
ABOVE = 8
"""Lines of a message between the exception's name and its trace."""
AT = re.compile(r"(?:\s{1,40}|\s{0,4}\[[\w:-]{1,24}\]\s{1,40})at ")


def parse(log: Log) -> Iterator[Finding]:
    done = 0
    for number in log.having(*MARKS)[-MAX_TRACES:]:
        if number < done or not AT.match(log.line(number)) or AT.match(log.line(number - 1)):
            continue
        root = next(
            (n for n in range(number - 1, max(0, number - ABOVE), -1) if RAISED.match(log.line(n))),
            0,
        )
        if match := RAISED.match(log.line(root)):
            lines = trace(log, number)
            done = lines.stop
            yield Finding(
                kind=Kind.ERROR,
                tool="jvm",
                line=root,
                error_type=simple(match["type"]),
                message=match["message"] or "",
                cites=tuple(range(root, lines.stop)),
                weight=58,
            )
