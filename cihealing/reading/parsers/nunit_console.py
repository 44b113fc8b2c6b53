"""NUnit's console runner, 2 and 3."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

MARKS = (") Failed : ", ") Error : ", ") Test Failure : ", ") Test Error : ", ") Invalid : ")
FAILED = Saying(("Overall result: Failed",), re.compile(r"\s+Overall result: Failed"))
PASSED = Saying(("Overall result: Passed",), re.compile(r"\s+Overall result: Passed"))
ITEM = re.compile(r"\d{1,6}\) (?:Failed|Error|Invalid|Test Failure|Test Error) : (?P<test>\S.*?)$")
RAISED = re.compile(r"(?P<type>(?:[A-Z]\w*\.)+[A-Z]\w*(?:Exception|Error)) : (?P<message>.*)$")
END = re.compile(r"\d{1,6}\) |Run Settings|Test Run Summary|Tests Not Run")
MAX_ITEM = 60


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        if match := ITEM.match(log.line(number)):
            lines = [
                n for n in log.block(number + 1, until=END, limit=MAX_ITEM) if log.line(n).strip()
            ]
            root = lines[0] if lines else number
            raised = RAISED.match(log.line(root).strip())
            yield Finding(
                kind=Kind.TEST,
                tool="nunit",
                line=root,
                error_type=raised["type"].rpartition(".")[2] if raised else "AssertionException",
                message=raised["message"] if raised else log.line(root).strip(),
                test=match["test"],
                cites=(number, *lines),
            )
