"""Python outside a test runner: tracebacks, chained and grouped ones, syntax errors, a dying
interpreter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log
from cihealing.reading.raised import START, Trace, chains, origin, raised, traces

MARKS = (
    START,
    "SyntaxError: ",
    "IndentationError: ",
    "TabError: ",
    ": No module named ",
    ": can't open file ",
    "Fatal Python error: ",
)
PLACE = re.compile(r'\s*File "[^"]{1,500}", line \d+')
STARTED = re.compile(
    r"\S{0,200}python[\d.]{0,8}(?:\.exe)?: (?P<message>(?:Error while finding module|No module"
    r" named|can't open file) .+)$"
)
DIED = re.compile(r"Fatal Python error: (?P<message>.+)$")


def parse(log: Log) -> Iterator[Finding]:
    ends: set[int] = set()
    for chain in chains(log, traces(log, log.having(START))):
        ends.update(trace.end for trace in chain)
        yield chained(log, chain)
    yield from (
        found
        for n in log.having("SyntaxError: ", "IndentationError: ", "TabError: ")
        if n not in ends and (found := syntax(log, n))
    )
    yield from (
        found
        for n in log.having(": No module named ", ": can't open file ")
        if (found := not_started(log, n))
    )
    yield from (found for n in log.having("Fatal Python error: ") if (found := died(log, n)))


def chained(log: Log, chain: list[Trace]) -> Finding:
    root = origin(log, chain)
    cites = (*root.lines, *chain[-1].lines, *(trace.end for trace in chain))
    return Finding(
        kind=Kind.ERROR,
        tool="python",
        line=root.end,
        error_type=root.error_type,
        message=root.message,
        cites=tuple(sorted(set(cites))),
    )


def syntax(log: Log, number: int) -> Finding | None:
    """Code that could not be compiled: place, line and caret, without a traceback."""
    error = raised(log.line(number))
    above = next(
        (n for n in range(number - 1, max(0, number - 5), -1) if PLACE.match(log.line(n))), 0
    )
    if error is None or not above:
        return None
    return Finding(
        kind=Kind.ERROR,
        tool="python",
        line=number,
        error_type=error[0],
        message=error[1],
        cites=tuple(range(above, number + 1)),
        weight=66,
    )


def not_started(log: Log, number: int) -> Finding | None:
    match = STARTED.match(log.line(number))
    if match is None:
        return None
    error_type = (
        "FileNotFoundError" if match["message"].startswith("can't") else "ModuleNotFoundError"
    )
    return Finding(
        kind=Kind.ERROR, tool="python", line=number, error_type=error_type, message=match["message"]
    )


def died(log: Log, number: int) -> Finding | None:
    """A crash of the interpreter itself; the stack of the thread it died in stands below."""
    match = DIED.match(log.line(number))
    if match is None:
        return None
    stack = log.block(
        number + 1,
        until=re.compile(r"Extension modules: |(?![\s]|(?:Current t|T)hread |$)"),
        limit=20,
    )
    return Finding(
        kind=Kind.ERROR,
        tool="python",
        line=number,
        error_type="FatalPythonError",
        message=match["message"],
        cites=(number, *stack),
        weight=70,
    )
