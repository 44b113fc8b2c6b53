"""The console launcher of the JUnit Platform: its list of failures, and how it counts them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.traces import RAISED, bare, simple, trace

MARKS = ("MethodSource [className", "ClassSource [className")
FAILED = Saying(
    (" tests failed ", " containers failed "),
    re.compile(r"\[\s+[1-9]\d* (?:tests|containers) failed\s+\]$"),
)
PASSED = Saying((" 0 tests failed ",), re.compile(r"\[\s+0 tests failed\s+\]$"))
SOURCE = re.compile(
    r"\s*(?:Method|Class)Source \[className = '(?P<owner>[\w.$]+)'(?:, methodName ="
    r" '(?P<test>[^']{1,300})', methodParameterTypes = '(?P<parameters>[^']{0,600})')?"
)
CAUGHT = re.compile(r"\s*=> (?P<type>(?:\w+\.){0,15}[\w$]+)(?:: (?P<message>.*))?$")
RUN = re.compile(r".*:\[(?P<index>\d{1,6})\]")
FRAME = re.compile(
    r"\s+(?:at )?(?:[\w.@-]{1,100}/)?[\w.$<>]{1,400}\((?:[\w$]+\.\w+:\d+|Native Method|Unknown"
    r" Source)\)$|\s+\[\.\.\.\]$|\s+(?:Caused by|Suppressed): "
)


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        match, said = SOURCE.match(bare(log.line(number))), CAUGHT.match(bare(log.line(number + 1)))
        if match and said:
            yield Finding(
                kind=Kind.TEST,
                tool="junit",
                line=number + 1,
                error_type=simple(said["type"]),
                message=said["message"] or "",
                test=full_name(match, log.line(number - 1)),
                cites=tuple(range(max(1, number - 1), stop_of(log, number + 2))),
            )


def full_name(source: re.Match[str], title: str) -> str:
    """`Class.test`; the n-th run of a test with parameters is `Class.test(int)[n]`."""
    if not source["test"]:
        return source["owner"]
    run = RUN.match(title)
    return f"{source['owner']}.{source['test']}" + (
        f"({source['parameters']})[{run['index']}]" if run else ""
    )


def stop_of(log: Log, number: int) -> int:
    """The end of the trace that begins at `number` or, below a message of several lines, a little
    later.
    """
    first = next((n for n in range(number, number + 8) if FRAME.match(log.line(n))), number)
    while FRAME.match(log.line(first)):
        first += 1
    return max(first, trace(log, number - 1).stop) if RAISED.match(log.line(number - 1)) else first
