"""Gradle 2 to 9: tests as its console and the test-logger plug-in print them, and "What went
wrong".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.traces import TRACE, failed, trace

MARKS = (" FAILED", " PASSED", "> Task ", "* What went wrong:")
PASSED = Saying(("BUILD SUCCESSFUL",), re.compile(r"BUILD SUCCESSFUL(?: in |$)"))
FAILED = Saying(("BUILD FAILED in ",), re.compile(r"BUILD FAILED in \d"))
VERDICT = re.compile(
    r"(?!> )(?P<path>\S.* > \S.*?)(?P<device>\[[^\[\]]{1,100}\])? (?P<said>FAILED|PASSED)$"
)
DOTTED = re.compile(
    r"(?P<path>[a-z]\w*(?:\.[\w$]+){2,20})(?P<device>\[[\w, -]{1,60}\])? (?P<said>FAILED|PASSED)$"
)
LOGGER = re.compile(
    r"\s{2,20}Test (?P<test>\S.*?) (?P<said>FAILED|PASSED)(?: \([\d.m ]{1,20}s\))?(?:"
    r" \(retried\))?$"
)
OWNER = re.compile(r"(?:[a-z_]\w*\.){1,15}[A-Z][\w$]*$")
WORKER = re.compile(r"Gradle (?:suite|test|Test Run|Test Executor)\b")
INDEX = re.compile(r"\[(\d{1,6})\]")
CAUSE = re.compile(r"(?P<indent>\s*)> (?P<message>\S.*)$")
LAST = re.compile(r"\* (?:Try|Exception|Get more help)|BUILD FAILED|={5}|\d+: Task failed")
NO_LINE = re.compile(r"\s*$")
SPOCK = "Condition not satisfied:"
MAX_OWNER = 400


def parse(log: Log) -> Iterator[Finding]:
    verdicts = [
        (n, name, said)
        for n in log.having(" FAILED", " PASSED")
        if (read := verdict(log, n))
        for name, said in [read]
    ]
    passed = {(name, task(log, n)): n for n, name, said in verdicts if said == "PASSED"}
    for number, name, said in verdicts:
        if said == "FAILED" and passed.get((name, task(log, number)), 0) < number:
            yield test_failed(log, number, name)
    yield from went_wrong(log)


def verdict(log: Log, number: int) -> tuple[str, str] | None:
    """The test's full name and PASSED or FAILED."""
    text = log.line(number)
    if match := VERDICT.match(text) or DOTTED.match(text):
        return full_name(match["path"].split(" > ")) + (match["device"] or ""), match["said"]
    if match := LOGGER.match(text):
        above = (log.line(n) for n in range(number - 1, max(0, number - MAX_OWNER), -1))
        owner = next((line for line in above if OWNER.match(line)), "")
        return f"{owner}.{match['test']}".lstrip("."), match["said"]
    return None


def full_name(path: Sequence[str]) -> str:
    """`Class.Nested.test`; the n-th run of a test with parameters is `test(int)[n]`."""
    own = [part for part in path if not WORKER.match(part)] or list(path[-1:])
    index = INDEX.match(own[-1])
    if index and len(own) > 2:
        return ".".join(own[:-1]) + index[0]
    return ".".join(own)


def task(log: Log, number: int) -> int:
    """The line that began the task at work; a test that fails and then passes within one task was
    run again.
    """
    tasks = log.having("> Task ")
    at = bisect_right(tasks, number)
    return tasks[at - 1] if at else 0


def test_failed(log: Log, number: int, name: str) -> Finding:
    below = number + 1 if log.line(number + 1).strip() else number + 2
    if log.line(below).strip() != SPOCK:
        return failed(log, tool="gradle", at=number, below=below, test=name)
    stop = next(
        (n for n in range(below, min(below + 40, len(log) + 1)) if TRACE.match(log.line(n))), below
    )
    return Finding(
        kind=Kind.TEST,
        tool="gradle",
        line=below,
        error_type="ConditionNotSatisfied",
        test=name,
        message=next((text for n in range(below + 1, stop) if (text := log.line(n).strip())), ""),
        cites=(number, *range(below, trace(log, stop).stop)),
    )


def went_wrong(log: Log) -> Iterator[Finding]:
    """What failed and why; the root is the innermost cause of the first chain of causes."""
    for number in log.having("* What went wrong:"):
        lines = log.block(number + 1, until=LAST, limit=14)
        text = [n for n in lines if not NO_LINE.match(log.line(n))]
        if text:
            root = innermost(log, text)
            yield Finding(
                kind=Kind.ERROR,
                tool="gradle",
                line=root,
                error_type="BuildFailure",
                message=log.line(root).strip(" >"),
                cites=(number, *text),
            )


def innermost(log: Log, lines: Sequence[int]) -> int:
    root, depth = lines[0], -1
    for n in lines:
        cause = CAUSE.match(log.line(n))
        if cause and len(cause["indent"]) <= depth:
            break
        if cause:
            root, depth = n, len(cause["indent"])
    return root
