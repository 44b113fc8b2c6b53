"""Pest and PHPUnit with Collision (Laravel's `artisan test`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

MARKS = (" FAILED ", "• ", " FAIL ")
PASSED = Saying(
    ("Tests:  ",),
    re.compile(
        r"\s{2,3}Tests: {2,5}(?:\d+ (?:skipped|todos?|risky|warnings?|deprecated), )*\d+ passed"
    ),
)
FAILED = Saying(("Tests:  ",), re.compile(r"\s{2,3}Tests: {2,5}(?:\d+ \w+, )*[1-9]\d* failed"))
VERDICT = re.compile(
    r"\s{2,4}(?:FAILED\s{2}|• )(?P<owner>(?:\w+\\)*\w+) >"
    r" (?P<test>\S.*?)(?:\s{2,}(?P<type>[A-Z]\w+))?$"
)
SKIP = re.compile(r"\s*$|\s*-{20,}$")
END = re.compile(r"\s{2,4}(?:FAILED\s{2}|• )|\s{2,3}Tests: |\s{0,2}(?:-|─){20,}")
TYPE = re.compile(r"\s{2,4}(?P<type>(?:\w+\\)*\w+(?:Exception|Error))\s*$")
MAX_ITEM = 40


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(" FAILED ", "• "):
        if match := VERDICT.match(log.line(number)):
            yield finding(log, number, match)


def finding(log: Log, number: int, match: re.Match[str]) -> Finding:
    lines = [
        n for n in log.block(number + 1, until=END, limit=MAX_ITEM) if not SKIP.match(log.line(n))
    ]
    named = TYPE.match(log.line(lines[0])) if lines else None
    root = lines[1] if named and len(lines) > 1 else lines[0] if lines else number
    error_type = (
        match["type"]
        or (named["type"].rpartition("\\")[2] if named else "")
        or "AssertionFailedError"
    )
    return Finding(
        kind=Kind.TEST,
        tool="pest",
        line=root,
        error_type=error_type,
        message=log.line(root).strip(),
        test=f"{match['owner']} > {match['test']}".replace(" > ", "::", 1),
        cites=(number, *lines),
    )
