"""Composer 1 and 2: requirements that cannot be met, packages that cannot be had, scripts that
failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

UNSOLVED = "Your requirements could not be resolved"
PLATFORM = "Your lock file does not contain a compatible set of packages"
STALE = "The lock file is not up to date with the latest changes"
NOT_LOCKED = "is not present in the lock file"
MARKS = (
    UNSOLVED,
    PLATFORM,
    'Required package "',
    " handling the ",
    "  [",
    "In ",
    "Your Composer dependencies require ",
)
SCRIPT = re.compile(
    r"(?P<message>Script (?P<command>.+) handling the (?P<event>\S+) event returned with error code"
    r" \d+)$"
)
BOX = re.compile(r"\s{2}\[(?P<type>(?:\w+\\)*\w*(?:Exception|Error))\]\s*$")
IN = re.compile(r"In (?P<file>\w+\.php) line \d+:$")
END = re.compile(
    r"Potential causes:|\S.*(?:--|\[<)|Read <|To enable extensions|You can also|Use the"
    r" option|Alternatively"
)
MAX_PROBLEMS = 40


def parse(log: Log) -> Iterator[Finding]:
    yield from unsolved(log)
    yield from boxes(log)
    for number in log.having(" handling the "):
        if match := SCRIPT.match(log.line(number)):
            yield Finding(
                kind=Kind.ERROR,
                tool="composer",
                line=number,
                error_type="ScriptFailed",
                message=match["message"],
                weight=46,
            )


def unsolved(log: Log) -> Iterator[Finding]:
    """The root is the first problem's reason, the line below "Problem 1"."""
    for number in log.having(
        UNSOLVED, PLATFORM, "Your Composer dependencies require ", 'Required package "'
    ):
        lines = [n for n in log.block(number, until=END, limit=MAX_PROBLEMS) if log.line(n).strip()]
        root = next((n for n in lines if log.line(n).lstrip().startswith("- ")), number)
        if lines:
            yield Finding(
                kind=Kind.ERROR,
                tool="composer",
                line=root,
                error_type="DependencyConflict",
                message=log.line(root).strip(" -"),
                cites=tuple(lines),
                weight=68,
            )


def boxes(log: Log) -> Iterator[Finding]:
    """An exception in Symfony's console: its type or its place, a blank line, the message."""
    for number in log.having("  [", "In "):
        box, place = BOX.match(log.line(number)), IN.match(log.line(number))
        root = (
            next((n for n in range(number + 1, number + 3) if log.line(n).strip()), 0)
            if box or place
            else 0
        )
        if root:
            stop = next((n for n in range(root, root + 12) if not log.line(n).strip()), root + 12)
            yield Finding(
                kind=Kind.ERROR,
                tool="composer",
                line=root,
                error_type=box["type"].rpartition("\\")[2] if box else "ConsoleError",
                message=log.line(root).strip(),
                cites=(number, *range(root, stop)),
                weight=66,
            )
