"""What the parsers of several tools of the JVM read alike: exceptions, stack traces, compiler
messages with their details.
"""

from __future__ import annotations

import re

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MAX_TRACE = 400
MAX_MESSAGE = 12
"""Lines of a message of several lines that are looked at for the trace below."""
MAX_DETAIL = 6
CARET = re.compile(r"\s*\^[~^]*\s*$")
LABEL = re.compile(r"\s{0,8}\[[\w:.-]{1,24}\] ?")
"""`[junit] `, `[ERROR] `, `[info] `: what a build tool sets before the lines of the tools it
runs.
"""
RAISED = re.compile(
    r"\s{0,16}(?:\[[\w:-]{1,24}\]\s{1,8})?(?:Caused by:"
    r" )?(?P<type>(?:[a-z_][\w$]{0,80}\.){1,12}[A-Z][\w$]{0,120}|[A-Z]\w{0,80}(?:Error"
    r"|Exception|Failure))(?::"
    r" (?P<message>.*)| at (?P<at>\S+\.\w+:\d+)|:?$)"
)
TRACE = re.compile(
    r"(?:\s{1,40}|\s{0,8}\[[\w:-]{1,24}\]\s{1,40})(?:at |\.\.\. \d+ |Suppressed:"
    r" )|\s{0,40}(?:\[[\w:-]{1,24}\]\s{1,40})?Caused by: "
)


def simple(name: str) -> str:
    """The class's own name, without package and outer classes."""
    return name.rpartition(".")[2].rpartition("$")[2]


def bare(line: str) -> str:
    """The line without the build tool's label."""
    label = LABEL.match(line)
    return line[label.end() :] if label else line


def trace(log: Log, start: int) -> range:
    """The stack trace that begins at an exception's line."""
    stop = start + 1
    while stop - start < MAX_TRACE and continues(log, stop):
        stop += 1
    return range(start, stop)


def continues(log: Log, number: int) -> bool:
    return bool(
        TRACE.match(log.line(number))
        or (not bare(log.line(number)).strip() and TRACE.match(log.line(number + 1)))
    )


def with_message(log: Log, start: int) -> range:
    """The exception at line `start`, its message of one or several lines, and its trace."""
    shown = trace(log, start)
    if len(shown) > 1:
        return shown
    for n in range(shown.stop, min(shown.stop + MAX_MESSAGE, len(log) + 1)):
        if TRACE.match(log.line(n)):
            return range(start, trace(log, n).stop)
        if not bare(log.line(n)).strip():
            break
    return shown


def failed(log: Log, *, tool: str, at: int, below: int, test: str, within: int = 4) -> Finding:
    """A test whose verdict stands at line `at`; its exception is one of the first `within` lines
    from `below` on.
    """
    root = next(
        (
            n
            for n in range(below, min(below + within, len(log) + 1))
            if RAISED.match(log.line(n)) and "<<< " not in log.line(n)
        ),
        0,
    )
    raised = RAISED.match(log.line(root)) if root else None
    if raised is None:
        return Finding(kind=Kind.TEST, tool=tool, line=at, error_type="TestFailed", test=test)
    shown = with_message(log, root)
    return Finding(
        kind=Kind.TEST,
        tool=tool,
        line=root,
        error_type=simple(raised["type"]),
        message=raised["message"] or "",
        test=test,
        cites=tuple(dict.fromkeys((at, *range(below, root), *shown))),
    )


def detail(log: Log, number: int) -> range:
    """A compiler's message and the lines that explain it: the source line and its caret, symbol and
    location.
    """
    stop = number + 1
    while stop < number + MAX_DETAIL and (
        bare(log.line(stop)).startswith(("  ", "\t"))
        or any(CARET.match(bare(log.line(n))) for n in (stop, stop + 1))
    ):
        stop += 1
    return range(number, stop)


def compile_error(
    log: Log, number: int, *, tool: str, file: str, message: str, rule: str = "", weight: int = 0
) -> Finding:
    return Finding(
        kind=Kind.COMPILE,
        tool=tool,
        line=number,
        error_type="compile",
        message=message,
        file=file,
        rule=rule,
        cites=tuple(detail(log, number)),
        weight=weight,
    )
