"""Playwright Test: numbered failures, and the list below `N failed` that tells failed tests from
flaky ones. Source: its base reporter, 1.10 to 1.50.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.thrown import cited, thrown, written

MARKS = (" › ", " failed", " flaky", " interrupted", " timed out")
ITEM = re.compile(
    r"\s{2,4}(?P<number>\d{1,5})\) (?P<name>(?:\[[^\]\n]{1,80}\] › )?\S+\.\w{1,5}:\d+:\d+ › \S.*?)["
    r" ─=]*$"
)
LISTED = re.compile(r"\s{4}(?P<name>(?:\[[^\]\n]{1,80}\] › )?\S+\.\w{1,5}:\d+:\d+ › \S.*?)[ ─=]*$")
COUNT = re.compile(
    r"\s{2}\d+ (?P<what>failed|flaky|interrupted|timed out|did not run|skipped|passed)\b"
)
POSITION = re.compile(r"(?<=\.\w\w):\d+:\d+(?= › )|(?<=\w):\d+:\d+(?= › )")
END = re.compile(
    r"\s{2,4}\d{1,5}\) |\s{2}\d+ (?:failed|flaky|passed|interrupted|skipped|did not"
    r" run)|\s{4}(?:Retry #\d|attachment #\d)"
)
RED = ("failed", "interrupted", "timed out")

FAILED = Saying((" failed",), re.compile(r"\s{2}[1-9]\d* failed$"))
PASSED = Saying((" passed (",), re.compile(r"\s{2}[1-9]\d* passed \("))


def parse(log: Log) -> Iterator[Finding]:
    items = {name: n for n in reversed(log.having(" › ")) if (name := titled(ITEM, log.line(n)))}
    red, green = listed(log)
    for name, number in items.items():
        if name in red or (name not in green and not red):
            yield failed(log, number, name)
    yield from (failed(log, number, name) for name, number in red.items() if name not in items)


def titled(form: re.Pattern[str], text: str) -> str:
    """A test's title without line and column, which move with every edit; empty where the line is
    none.
    """
    match = form.match(text)
    return POSITION.sub("", match["name"]) if match else ""


def listed(log: Log) -> tuple[dict[str, int], set[str]]:
    """Tests the last list names as failed, and those that passed in a retry."""
    red: dict[str, int] = {}
    flaky: set[str] = set()
    for start in log.having(*MARKS[1:]):
        count = COUNT.match(log.line(start))
        lines = log.block(start + 1, until=COUNT, limit=2000) if count else range(0)
        for number in lines:
            name = titled(LISTED, log.line(number))
            if not name:
                break
            if count and count["what"] in RED:
                red[name] = number
            else:
                flaky.add(name)
    return red, flaky


def failed(log: Log, number: int, name: str) -> Finding:
    below = (
        written(log, log.block(number + 1, until=END, limit=40))
        if ITEM.match(log.line(number))
        else []
    )
    root = below[0] if below else number
    error_type, message = thrown(log.line(root)) if below else ("Error", "")
    file = name.removeprefix(name.partition("] › ")[0] + "] › ").partition(" › ")[0]
    return Finding(
        kind=Kind.TEST,
        tool="playwright",
        line=root,
        error_type=error_type,
        message=message,
        test=name,
        file=file,
        cites=cited(number, below=below),
    )
