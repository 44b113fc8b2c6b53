"""An error that nothing caught in a program of Node.js (or Deno, Bun): its line, the source with a
caret above it, V8's stack below. Source: Node.js 8 to 24.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("    at ", "Node.js v", "JavaScript heap out of memory")
AT = re.compile(r"\s{4,8}at .{1,1000}(?::\d{1,9}:\d{1,9}\)?|\((?:<anonymous>|native)\))(?: \{)?$")
RAISED = re.compile(
    r"(?:Uncaught |\[?Unhandled\w* )?(?P<type>(?=[A-Z])[\w.]{0,80}(?:Error|Exception))(?:"
    r" \[\w{1,60}\])?(?:: (?P<message>.*)|$)"
)
HEAP = re.compile(r"FATAL ERROR: (?P<message>.* JavaScript heap out of memory)")
MAX_STACK = 60
NOT_AT = re.compile(r"(?!\s{4,8}at )")


def parse(log: Log) -> Iterator[Finding]:
    done = 0
    for number in log.having("    at "):
        if number < done or not AT.match(log.line(number)):
            continue
        stack = log.block(number, until=NOT_AT, limit=MAX_STACK)
        done = stack.stop
        if found := uncaught(log, stack):
            yield found
    for number in log.having("JavaScript heap out of memory"):
        if match := HEAP.match(log.line(number)):
            yield Finding(
                kind=Kind.ERROR,
                tool="node",
                line=number,
                error_type="OutOfMemory",
                message=match["message"],
                weight=66,
            )


def uncaught(log: Log, stack: range) -> Finding | None:
    """The error stands at most a few lines of message above its stack, at the line's start."""
    root = next(
        (
            n
            for n in range(stack.start - 1, max(0, stack.start - 8), -1)
            if RAISED.match(log.line(n))
        ),
        0,
    )
    match = RAISED.match(log.line(root))
    if match is None:
        return None
    caret = next(
        (
            n
            for n in range(root - 1, max(0, root - 4), -1)
            if log.line(n).strip(" ^~") == "" and "^" in log.line(n)
        ),
        0,
    )
    said = any(log.line(n).startswith("Node.js v") for n in range(stack.stop, stack.stop + 12))
    first = max(1, caret - 2) if caret else root
    return Finding(
        kind=Kind.ERROR,
        tool="node",
        line=root,
        error_type=match["type"],
        message=match["message"] or "",
        cites=tuple(range(first, min(stack.stop, stack.start + 20))),
        weight=66 if caret or said else 58,
    )
