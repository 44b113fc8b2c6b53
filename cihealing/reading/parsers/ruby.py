"""RSpec, minitest, test-unit, Rails."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("rspec ./", "Failure:", "Error:", "rake aborted!")
RSPEC = re.compile(r"rspec (?P<where>\./\S+?(?::\d+|\[[\d:]+\])) # (?P<name>.+)$")
ITEM = re.compile(r"\s{2}\d+\) (?P<name>\S.*)$")
MINITEST = re.compile(r"(?P<name>[A-Z][\w:]*#test_\S+)(?: \[(?P<where>[^\]]+)\])?:?$|(?P<old>test_\w+)\((?P<owner>[\w:]+)\)")
VERDICT = re.compile(r"\s{0,4}(?:\d+\) )?(?:Failure|Error):$")
RAISED = re.compile(r"\s*(?P<type>[A-Z][\w:]*(?:Error|Exception|NotFound|Timeout|Assertion)\w*): ?(?P<message>.*)$")


def parse(log: Log) -> Iterator[Finding]:
    yield from rspec(log)
    yield from minitest(log)
    for number in log.having("rake aborted!"):
        if log.line(number).startswith("rake aborted!"):
            yield Finding(
                kind=Kind.ERROR,
                tool="rake",
                line=number + 1,
                error_type="RakeAborted",
                message=log.line(number + 1),
                cites=tuple(range(number, min(number + 6, len(log)) + 1)),
            )


def rspec(log: Log) -> Iterator[Finding]:
    told = {match["name"]: n for n in log.having(") ") if (match := ITEM.match(log.line(n)))} if log.has("rspec ./") else {}
    for number in log.having("rspec ./"):
        match = RSPEC.match(log.line(number))
        if match:
            start = told.get(match["name"], 0)
            yield rspec_failure(log, number, match["name"], start)


def rspec_failure(log: Log, number: int, name: str, start: int) -> Finding:
    lines = log.block(start + 1, until=ITEM, limit=25) if start else range(number, number + 1)
    raised = [n for n in lines if RAISED.match(log.line(n))]
    stated = [n for n in lines if "Failure/Error:" in log.line(n)]
    root = raised[0] if raised else stated[0] if stated else number
    match = RAISED.match(log.line(root))
    return Finding(
        kind=Kind.TEST, tool="rspec", line=root, error_type=match["type"] if match else "ExpectationNotMetError", message=match["message"] if match else log.line(root).strip(),
        test=name, cites=tuple(sorted({start or number, root, *[n for n in lines if log.line(n).strip()][:10]})),
    )  # fmt: skip


def minitest(log: Log) -> Iterator[Finding]:
    for number in log.having("Failure:", "Error:"):
        match = MINITEST.match(log.line(number + 1).strip()) if VERDICT.match(log.line(number)) else None
        if match:
            test = match["name"] or f"{match['owner']}#{match['old']}"
            raised = RAISED.match(log.line(number + 2))
            yield Finding(
                kind=Kind.TEST, tool="minitest", line=number + 2, error_type=raised["type"] if raised else "Assertion", message=raised["message"] if raised else log.line(number + 2),
                test=test, cites=(number, number + 1, number + 2, number + 3),
            )  # fmt: skip
