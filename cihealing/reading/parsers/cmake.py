"""CMake: `CMake Error at FILE:LINE (COMMAND):`, the message below it, then who called. Source:
cmMessenger.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.forms import falling
from cihealing.reading.found import Finding, Kind
from cihealing.reading.frames import relative
from cihealing.reading.log import Log

MARKS = ("CMake Error",)
ERROR = re.compile(
    r"CMake Error(?: \(dev\))?(?: (?:at|in) (?P<file>[^\n:]{1,300}?)(?::(?P<line>\d{1,9}))?(?:"
    r" \((?P<command>\w+)\))?)?:(?P<message>.*)$"
)
CALLED = re.compile(r"\s{2}(?P<file>[^\n:]{1,300}):(?P<line>\d{1,9}) \((?P<command>\w+)\)$")
MODULES = re.compile(r".*/share/cmake[^/]*/|.*/CMake\.app/")
WEIGHT = 74
"""Below a compiler's own error: CMake shows what its checks compiled."""
MOST = 25


def parse(log: Log) -> Iterator[Finding]:
    return falling(found for number in log.having("CMake Error") if (found := error(log, number)))


def error(log: Log, number: int) -> Finding | None:
    if not (match := ERROR.match(log.line(number))):
        return None
    body = [n for n in paragraph(log, number + 1) if log.line(n).strip()]
    said = " ".join(log.line(n).strip() for n in body[:4])
    frames = tuple(
        frame
        for frame in (frame_of(match), *calls(log, number))
        if frame and not MODULES.match(frame.file)
    )
    return Finding(
        kind=Kind.ERROR,
        tool="cmake",
        line=number,
        error_type="cmake",
        message=match["message"].strip() or said,
        file=match["file"] or "",
        rule=match["command"] or "",
        cites=(number, *body),
        frames=frames,
        weight=WEIGHT,
    )


def paragraph(log: Log, first: int) -> range:
    """The indented lines of a message and the empty ones between them."""
    stop = first
    while (
        stop < first + MOST
        and (not log.line(stop).strip() or log.line(stop).startswith(" "))
        and stop <= len(log)
    ):
        stop += 1
    return range(first, stop)


def calls(log: Log, number: int) -> Iterator[Frame | None]:
    head = next(
        (
            n
            for n in range(number, number + MOST)
            if log.line(n).startswith("Call Stack (most recent call first)")
        ),
        0,
    )
    for n in range(head + 1, head + 12) if head else ():
        if not (match := CALLED.match(log.line(n))):
            return
        yield frame_of(match)


def frame_of(match: re.Match[str]) -> Frame | None:
    if not match["line"]:
        return None
    return Frame(
        file=relative(match["file"]), line=int(match["line"]), function=match["command"] or ""
    )
