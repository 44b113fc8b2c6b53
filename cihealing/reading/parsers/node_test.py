"""node:test's spec reporter, its list `✖ failing tests:` of leaves with their places. Source:
Node.js 18 to 24, lib/internal/test_runner.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.frames import frame_of
from cihealing.reading.log import Log
from cihealing.reading.thrown import cited, thrown, written

MARKS = ("✖ ",)
LIST = re.compile(r"\s{0,4}✖ failing tests:$")
ITEM = re.compile(r"\s{0,4}✖ (?P<name>\S.*?)(?: \([\d.]+m?s\))?(?P<allowed> # (?:TODO|SKIP).*)?$")
PLACE = re.compile(r"\s{0,4}test at (?P<file>\S.*?):\d+:\d+$")
END = re.compile(r"\s{0,4}(?:test at .+:\d+:\d+$|✖ )")
LOADED = re.compile(r"\S+\.(?:[cm]?[jt]sx?)$")
UNNAMED = ("'test failed'", "'1 subtest failed'")

PASSED = Saying(("ℹ fail 0",), re.compile(r"ℹ fail 0$"))
FAILED = Saying(("ℹ fail ",), re.compile(r"ℹ fail [1-9]"))


def parse(log: Log) -> Iterator[Finding]:
    items = log.having("✖ ")
    last = next((n for n in reversed(items) if LIST.match(log.line(n))), 0)
    for number in items:
        match = ITEM.match(log.line(number))
        if last and number > last and match and not match["allowed"]:
            yield failed(log, number, match["name"])


def failed(log: Log, number: int, name: str) -> Finding:
    """A file that could not be loaded is listed like a test; it is none."""
    below = [
        n
        for n in written(log, log.block(number + 1, until=END, limit=30))
        if log.line(n).strip() not in UNNAMED
    ]
    root = below[0] if below else number
    error_type, message = thrown(log.line(root)) if below else ("Error", "")
    loaded = bool(LOADED.match(name))
    place = PLACE.match(log.line(number - 1))
    frames = tuple(
        frame
        for n in [number - 1, *below]
        if (frame := frame_of(log.line(n).replace("test at ", "at ")))
    )
    return Finding(
        kind=Kind.ERROR if loaded else Kind.TEST,
        tool="node",
        line=root,
        error_type=error_type,
        message=message,
        test="" if loaded else name,
        file=name if loaded else place["file"] if place else "",
        cites=cited(number - 1, number, below=below),
        frames=frames[:5],
        weight=79 if loaded else 0,
    )
