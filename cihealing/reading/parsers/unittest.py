"""unittest, nose, Django's runner, twisted trial: `FAIL: test_x (module.Class)` blocks between rulers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log
from cihealing.reading.raised import raised

MARKS = ("FAIL: ", "ERROR: ")
HEADER = re.compile(r"(?:FAIL|ERROR): (?P<name>\S.*)$")
END = re.compile(r"={20,}|-{20,}$")
STOP = re.compile(r"={20,}|Ran \d+ tests?")
PLAIN = re.compile(r"(?P<test>[A-Za-z_]\w*) \((?P<owner>[\w.<>]+)\)(?P<sub>.*)$")
MAX_BLOCK = 400


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        match = HEADER.match(log.line(number))
        if match and log.line(number - 1).startswith("=" * 20):
            yield block(log, match["name"], number)


def test_id(name: str) -> str:
    """`module.Class.test`, with the sub-test's parameters behind; a generated name stays as it is printed."""
    name = name.removeprefix("Doctest: ").strip()
    match = PLAIN.match(name)
    if not match:
        return "" if name.startswith("Failure: ") else name
    owner, test = match["owner"], match["test"]
    full = owner if owner.endswith(f".{test}") else f"{owner}.{test}"
    return full.replace("unittest.loader._FailedTest.", "") + match["sub"]


def block(log: Log, name: str, start: int) -> Finding:
    lines = log.block(start + 1, until=STOP, limit=MAX_BLOCK)
    ends = [n for n in lines if raised(log.line(n))]
    root = ends[-1] if ends else start
    error_type, message = raised(log.line(root)) or ("AssertionError", log.line(root))
    cites = (start, *range(max(start + 1, root - 30), root + 1))
    return Finding(
        kind=Kind.TEST,
        tool="unittest",
        line=root,
        error_type=error_type,
        message=message,
        test=test_id(name),
        cites=tuple(dict.fromkeys(cites)),
    )
