"""RSpec 2 and 3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

LOADING = "An error occurred while loading "
OUTSIDE = "An error occurred in a"
MARKS = ("rspec ", "Failure/Error:", "Failures:", LOADING, OUTSIDE)
COUNTS = r"\d+ examples?, "
PASSED = Saying(
    (" examples, 0 failures", " example, 0 failures"),
    re.compile(rf"{COUNTS}0 failures(?:, \d+ pending)?$"),
)
FAILED = Saying(
    (" example, ", " examples, "),
    re.compile(rf"{COUNTS}(?:[1-9]\d* failures?|0 failures, (?:\d+ pending, )?[1-9]\d* errors?)"),
)
RERUN = re.compile(
    r"\s*rspec (?:'|\")?(?P<where>[^\s'\"]+?\.rb(?::\d+|\[[\d:,]+\]))(?:'|\")? # (?P<name>\S.*)$"
)
ITEM = re.compile(r"\s{1,4}\d+\) (?P<name>\S.*)$")
RAISED = re.compile(r"\s*(?P<type>[A-Z]\w*(?:::[A-Z]\w*)*):?\s*$")
NOT_A_TYPE = ("Diff", "Expected", "Actual")
AT = re.compile(r"\s*# \S")
STOP = re.compile(r"\s{1,4}\d+\) |Finished in |Failed examples:|Pending:")
LOAD_STOP = re.compile(r"\s*$|An error occurred |Finished in |No examples found|Run options")
MAX_ITEM = 60
MAX_SHOWN = 30


def parse(log: Log) -> Iterator[Finding]:
    told = items(log)
    named: set[str] = set()
    for number in log.having("rspec "):
        if match := RERUN.match(log.line(number)):
            named.add(match["name"])
            yield failure(log, number, match["name"], told.get(match["name"], 0))
    for name, start in told.items() if not named else ():
        yield failure(log, start, name, start)
    yield from outside(log)


def items(log: Log) -> dict[str, int]:
    """Where the numbered failures stand, by name: above each "Failure/Error:", beyond it where a
    failure has several.
    """
    found: dict[str, int] = {}
    for number in log.having("Failure/Error:"):
        start = next(
            (n for n in range(number - 1, max(0, number - 8), -1) if ITEM.match(log.line(n))), 0
        )
        if match := ITEM.match(log.line(start)):
            found.setdefault(match["name"].removesuffix(" FIXED"), start)
    return found


def failure(log: Log, number: int, name: str, start: int) -> Finding:
    lines = log.block(start + 1, until=STOP, limit=MAX_ITEM) if start else range(number, number)
    text = [n for n in lines if log.line(n).strip()]
    root, error_type, message = cause(log, text)
    if not root:
        return Finding(
            kind=Kind.TEST,
            tool="rspec",
            line=number,
            error_type="ExpectationNotMetError",
            message=log.line(number).strip(),
            test=name,
        )
    return Finding(
        kind=Kind.TEST,
        tool="rspec",
        line=root,
        error_type=error_type,
        message=message,
        test=name,
        cites=tuple(sorted({start or number, root, *text[:MAX_SHOWN]})),
    )


def cause(log: Log, lines: Sequence[int]) -> tuple[int, str, str]:
    """The line that states it, its type and message: an exception's name with its message below,
    else the expectation.
    """
    at = next((i for i, n in enumerate(lines) if "Failure/Error:" in log.line(n)), -1)
    if at < 0:
        return 0, "", ""
    for n, below in zip(lines[at + 1 : at + 8], lines[at + 2 : at + 9], strict=False):
        match = RAISED.match(log.line(n))
        if match and match["type"] not in NOT_A_TYPE and not AT.match(log.line(below)):
            return below, match["type"].rpartition("::")[2], log.line(below).strip()
    first = next(
        (
            n
            for n in lines[at + 1 :]
            if "expected" in log.line(n).lower() and not AT.match(log.line(n))
        ),
        lines[at],
    )
    return first, "ExpectationNotMetError", log.line(first).strip().removeprefix("Failure/Error: ")


def outside(log: Log) -> Iterator[Finding]:
    """Errors while a file is loaded or in a hook of the whole suite: no example is run or
    counted.
    """
    for number in log.having(LOADING, OUTSIDE):
        if not log.line(number).startswith((LOADING, OUTSIDE)):
            continue
        stated = next(
            (n for n in range(number + 1, number + 6) if "Failure/Error:" in log.line(n)), number
        )
        root = next(
            (n + 1 for n in range(stated + 1, stated + 12) if RAISED.match(log.line(n))), stated
        )
        error_type = (RAISED.match(log.line(root - 1)) or {"type": "LoadError"})["type"]
        yield Finding(
            kind=Kind.ERROR,
            tool="rspec",
            line=root,
            error_type=error_type.rpartition("::")[2],
            message=log.line(root).strip(),
            cites=tuple(
                n
                for n in range(number, log.block(root, until=LOAD_STOP, limit=20).stop)
                if log.line(n).strip()
            ),
            weight=74,
        )
