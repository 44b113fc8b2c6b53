"""jest, vitest, mocha, node:test and friends."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("●", " failing", " FAIL ", "FAIL ", "✕", "not ok ")
BULLET = re.compile(r"\s{0,4}● (?P<name>\S.*)$")
NO_TEST = (
    "Console",
    "Validation Warning",
    "Deprecation Warning",
    "Multiple configurations",
    "Cannot log after tests",
    "Test suite failed to run",
)
VITEST = re.compile(r"\s*FAIL  (?P<name>\S+\.\w+(?: \[[^\]]*\])?(?: > .+)?)$")
FILE = re.compile(r"\s*FAIL (?:\S+ )?(?P<file>\S+\.[cm]?[jt]sx?)(?: \([\d.]+ ?m?s\))?$")
FAILING = re.compile(r"\s{0,8}\d+ failing$")
ITEM = re.compile(r"(?P<indent>\s{1,8})\d+\) (?P<title>\S.*)$")
TAP = re.compile(r"\s*not ok \d+ - (?P<name>.+?)(?: # (?:time=|TODO|SKIP).*)?$")
MAX_REPORT = 60_000
ERROR = re.compile(r"\s*(?:Uncaught )?(?P<type>[A-Z]\w*(?:Error|Exception|Failed)?)(?: \[\w+\])?: (?P<message>.+)$")


def parse(log: Log) -> Iterator[Finding]:
    yield from jest(log)
    yield from vitest(log)
    yield from mocha(log)
    yield from tap(log)


def jest(log: Log) -> Iterator[Finding]:
    seen: set[str] = set()
    for number in log.having("●"):
        match = BULLET.match(log.line(number))
        if not match or match["name"].startswith(NO_TEST[:-1]) or match["name"] in seen:
            continue
        if match["name"] == NO_TEST[-1]:
            yield suite_failed(log, number)
            continue
        seen.add(match["name"])
        yield told(log, number, tool="jest", test=match["name"])


def suite_failed(log: Log, number: int) -> Finding:
    """jest could not load a test file: no test has a name, the file stands for them."""
    file = next((m["file"] for n in range(number, max(0, number - 60), -1) if (m := FILE.match(log.line(n)))), "")
    finding = told(log, number, tool="jest", test="")
    return Finding(
        kind=Kind.ERROR,
        tool="jest",
        line=finding.line,
        error_type=finding.error_type,
        message=finding.message,
        file=file,
        cites=finding.cites,
        weight=79,
    )


def told(log: Log, number: int, *, tool: str, test: str) -> Finding:
    """The first line below a test's name that is not empty says why."""
    below = [n for n in range(number + 1, min(number + 30, len(log) + 1)) if log.line(n).strip()]
    stop = next((i for i, n in enumerate(below) if "●" in log.line(n) or VITEST.match(log.line(n))), len(below))
    below = below[:stop]
    root = below[0] if below else number
    error = ERROR.match(log.line(root))
    said = log.line(root).strip()
    error_type = error["type"] if error else "AssertionError" if said.startswith(("expect", "assert")) else "Error"
    return Finding(
        kind=Kind.TEST,
        tool=tool,
        line=root,
        error_type=error_type,
        message=error["message"] if error else said,
        test=test,
        cites=tuple(sorted({number, *below[:14]})),
    )


def vitest(log: Log) -> Iterator[Finding]:
    seen: set[str] = set()
    for number in log.having(" FAIL  "):
        match = VITEST.match(log.line(number))
        if match and match["name"] not in seen:
            seen.add(match["name"])
            finding = told(log, number, tool="vitest", test=match["name"])
            yield finding


def mocha(log: Log) -> Iterator[Finding]:
    starts = [start for start in log.having(" failing") if FAILING.match(log.line(start))]
    for start, following in zip(starts, [*starts[1:], len(log) + 1], strict=False):
        yield from mocha_report(log, range(start + 1, min(following, start + MAX_REPORT)))


def mocha_report(log: Log, lines: range) -> Iterator[Finding]:
    """The numbered failures below `N failing`, up to a line that is neither indented nor empty, or six empty ones."""
    number, blank = lines.start, 0
    while number < lines.stop and blank < 6 and log.line(number)[:1] in ("", " ", "\t"):
        match = ITEM.match(log.line(number))
        blank = 0 if log.line(number).strip() else blank + 1
        number += 1
        if match:
            finding, number = mocha_item(log, number - 1, match)
            yield finding


def mocha_item(log: Log, start: int, match: re.Match[str]) -> tuple[Finding, int]:
    titles, number = [match["title"].strip()], start
    depth = len(match["indent"])
    while not titles[-1].endswith(":") and number < start + 12:
        number += 1
        text = log.line(number)
        if len(text) - len(text.lstrip()) <= depth + 3 or not text.strip():
            number -= 1
            break
        titles.append(text.strip())
    below = [n for n in range(number + 1, min(number + 25, len(log) + 1)) if log.line(n).strip() and not ITEM.match(log.line(n))]
    root = below[0] if below else number
    error = ERROR.match(log.line(root))
    cites = (*range(start, number + 1), *(n for n in below[:12] if n < number + 20))
    finding = Finding(
        kind=Kind.TEST, tool="mocha", line=root, error_type=error["type"] if error else "Error", message=error["message"] if error else log.line(root).strip(),
        test=" ".join(titles).removesuffix(":"), cites=cites,
    )  # fmt: skip
    return finding, number + 1


def tap(log: Log) -> Iterator[Finding]:
    for number in log.having("not ok "):
        if (match := TAP.match(log.line(number))) and "# TODO" not in log.line(number):
            yield Finding(kind=Kind.TEST, tool="tap", line=number, error_type="TestFailed", test=match["name"])
