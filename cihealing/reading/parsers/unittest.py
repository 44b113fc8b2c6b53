"""unittest and what prints like it: `FAIL: test_x (module.Class)` between rulers (nose, Django,
testtools), twisted trial's `[FAIL]`, stestr, zope.testrunner.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.raised import chains, origin, raised, within

MARKS = (
    "FAIL: ",
    "ERROR: ",
    "UNEXPECTED SUCCESS: ",
    "[FAIL]",
    "[ERROR]",
    "Failure in test ",
    "Error in test ",
    " ... FAIL",
    " ... FAILED",
    " ... ERROR",
)
HEADER = re.compile(r"(?P<how>FAIL|ERROR|UNEXPECTED SUCCESS): (?P<name>\S.*)$")
RULER = re.compile(r"[.EFSsxuX]{0,400}={50,}$")
"""Some runners print their dots before it."""
STOP = re.compile(r"[.EFSsxuX]{0,400}={50,}$|Ran \d+ tests?|\s?(?:Failure|Error) in test ")
PLAIN = re.compile(r"(?P<test>[A-Za-z_][\w.]*) \((?P<owner>[\w.<>]+)\)(?P<sub>.*)$")
VERBOSE = re.compile(
    r"\s{0,2}(?P<name>[A-Za-z_]\w* \([\w.<>]+\)(?: [\[(].{1,500}[\])])?) \.\.\. (?:FAIL|ERROR)$"
)
ZOPE = re.compile(r"\s?(?:Failure|Error) in test (?P<name>\S.*)$")
TRIAL = re.compile(r"\[(?:FAIL|ERROR)\]$")
NAME = re.compile(r"[A-Za-z_][\w.]{1,400}\.\w{1,200}$")
STESTR = re.compile(r"\{\d+\} (?P<name>\S.*?) \[[\d.]+s\] \.\.\. FAILED$")
STESTR_END = re.compile(r"\{\d+\} \S|={6,}$")
LOADING = "unittest.loader._FailedTest."
MAX_BLOCK = 400

PASSED = Saying(("OK",), re.compile(r"OK(?: \([a-z ]+=\d+(?:, [a-z ]+=\d+)*\))?$"))
FAILED = Saying(("FAILED (",), re.compile(r"FAILED \((?:[a-z ]+=\d+(?:, )?){1,8}\)$"))


def parse(log: Log) -> Iterator[Finding]:
    blocks = [*headed(log), *trial(log), *stestr(log), *zope(log)]
    yield from blocks
    if not blocks:
        yield from verbose(log)


def headed(log: Log) -> Iterator[Finding]:
    for number in log.having("FAIL: ", "ERROR: ", "UNEXPECTED SUCCESS: "):
        match = HEADER.match(log.line(number))
        if match and RULER.match(log.line(number - 1)):
            surprise = match["how"].startswith("UNEXPECTED")
            yield block(
                log,
                test_id(match["name"]),
                number,
                error_type="UnexpectedSuccess" if surprise else "AssertionError",
            )


def test_id(name: str) -> str:
    """`module.Class.test`, with the sub-test's parameters behind; a generated name stays as it is
    printed.
    """
    name = name.removeprefix("Doctest: ").strip()
    match = PLAIN.match(name)
    if not match:
        return "" if name.startswith("Failure: ") else name
    owner, test = f"{match['owner']}.".replace(LOADING, "").strip("."), match["test"]
    full = owner if owner == test or owner.endswith(f".{test}") else f"{owner}.{test}".strip(".")
    return full + match["sub"]


def block(log: Log, test: str, start: int, *, error_type: str = "AssertionError") -> Finding:
    lines = log.block(start + 1, until=STOP, limit=MAX_BLOCK)
    root, error_type, message, said = cause(log, lines) or (start, error_type, log.line(start), [])
    return Finding(
        kind=Kind.TEST,
        tool="unittest",
        line=root,
        error_type=error_type,
        message=message,
        test=test,
        cites=tuple(dict.fromkeys((start, *said, root))),
    )


def cause(log: Log, lines: range) -> tuple[int, str, str, list[int]] | None:
    """Root line, type, message and the lines that belong to it: what a test printed below its
    traceback is no part of it.
    """
    for number in lines:
        if log.line(number) == "Failed example:":
            told = [n for n in range(number, min(number + 20, lines.stop)) if log.line(n)]
            expected = next(
                (n for n in told if log.line(n).startswith(("Expected", "Exception raised"))),
                number,
            )
            return (
                expected,
                "DocTestFailure",
                " ".join(log.line(n).strip() for n in told if n >= expected)[:300],
                [number - 1, *told],
            )
    if found := list(chains(log, within(log, lines))):
        trace = origin(log, found[0])
        return trace.end, trace.error_type, trace.message, [*trace.lines][-30:]
    ends = [n for n in lines if raised(log.line(n))]
    if error := raised(log.line(ends[-1])) if ends else None:
        return ends[-1], *error, [*range(max(lines.start, ends[-1] - 30), ends[-1] + 1)]
    return None


def trial(log: Log) -> Iterator[Finding]:
    """twisted trial tells a failure once, and below it the names of all tests that failed with
    it.
    """
    for number in log.having("[FAIL]", "[ERROR]"):
        if not TRIAL.match(log.line(number)) or not RULER.match(log.line(number - 1)):
            continue
        lines = log.block(number + 1, until=re.compile(r"={50,}$|-{50,}$"), limit=MAX_BLOCK)
        finding = block(log, "", number)
        for n in lines:
            if NAME.match(log.line(n)) and (not log.line(n - 1) or NAME.match(log.line(n - 1))):
                yield replace(finding, test=log.line(n))


def stestr(log: Log) -> Iterator[Finding]:
    for number in log.having(" ... FAILED"):
        if match := STESTR.match(log.line(number)):
            lines = log.block(number + 1, until=STESTR_END, limit=MAX_BLOCK)
            root, error_type, message, said = cause(log, lines) or (number, "TestFailed", "", [])
            yield Finding(
                kind=Kind.TEST,
                tool="stestr",
                line=root,
                error_type=error_type,
                message=message,
                test=test_id(match["name"]),
                cites=(number, *said),
            )


def zope(log: Log) -> Iterator[Finding]:
    for number in log.having("Failure in test ", "Error in test "):
        if match := ZOPE.match(log.line(number)):
            yield block(log, test_id(match["name"]), number)


def verbose(log: Log) -> Iterator[Finding]:
    """Where the run was cut before it told its failures."""
    for number in log.having(" ... FAIL", " ... FAILED", " ... ERROR"):
        if match := VERBOSE.match(log.line(number)):
            yield Finding(
                kind=Kind.TEST,
                tool="unittest",
                line=number,
                error_type="Failed",
                test=test_id(match["name"]),
            )
