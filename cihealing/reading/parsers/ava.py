"""ava's default reporter: `✘ [fail]: file › test`, the assertion below the name further down.
Source: ava 3 to 6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.thrown import cited, written

MARKS = (" [fail]: ", " Uncaught exception in ")
FAIL = re.compile(r"\s{1,6}[✖✘×x] \[fail\]: (?P<name>\S.*)$")
ENDING = re.compile(
    r" (?:Error thrown in test|Rejected promise returned by test|Test finished without running any"
    r" assertions"
    r"|Promise returned by test never resolved|Planned for .+ assertions?, but got .+)$"
)
NEXT = re.compile(r"\s{1,4}[✖✘×x] |\s{0,4}─")
UNCAUGHT = re.compile(r"\s{1,6}(?:[✖✘×x] )?Uncaught exception in (?P<file>\S+)$")

MAX_RETOLD = 10_000

FAILED = Saying((" tests failed", " test failed"), re.compile(r"\s{1,4}[1-9]\d* tests? failed$"))
PASSED = Saying((" tests passed", " test passed"), re.compile(r"\s{1,4}[1-9]\d* tests? passed$"))


def parse(log: Log) -> Iterator[Finding]:
    failures = {
        ENDING.sub("", match["name"]): n
        for n in log.having(" [fail]: ")
        if (match := FAIL.match(log.line(n)))
    }
    titles = retold(log, failures)
    for name, number in failures.items():
        yield failed(log, number, name, title=titles.get(name, 0))
    for number in log.having(" Uncaught exception in "):
        if match := UNCAUGHT.match(log.line(number)):
            below = written(log, log.block(number + 1, until=NEXT, limit=30))
            root = next((n for n in below if "Error" in log.line(n)), below[0] if below else number)
            yield Finding(
                kind=Kind.ERROR,
                tool="ava",
                line=root,
                error_type="Error",
                message=log.line(root).strip(),
                file=match["file"],
                cites=cited(number, root, below=below),
                weight=79,
            )


def retold(log: Log, failures: dict[str, int]) -> dict[str, int]:
    """Below the list every failure is told again: its name, the place, the message."""
    last = max(failures.values(), default=len(log))
    lines = range(last + 1, min(last + MAX_RETOLD, len(log) + 1))
    return {name: n for n in reversed(lines) if (name := log.line(n).strip()) in failures}


def failed(log: Log, number: int, name: str, *, title: int) -> Finding:
    below = written(log, log.block(title + 1, until=NEXT, limit=40)) if title else []
    said = [n for n in below if not re.match(r"\s+\S+:\d+$|\s+\d+: |\s+›", log.line(n))]
    root = said[0] if said else number
    return Finding(
        kind=Kind.TEST,
        tool="ava",
        line=root,
        error_type="AssertionError",
        message=log.line(root).strip() if said else "",
        test=name,
        cites=cited(title or number, root, below=below),
    )
