"""Tests of Scala: ScalaTest, specs2, MUnit and JUnit as sbt, Maven's plug-in and the runner print
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.traces import TRACE, bare, simple

MARKS = (" *** FAILED ***", "==> X ", "[error] Test ", "[error]  ", "Specification ")
FAILED = Saying(
    ("*** ",),
    re.compile(
        r"(?:\[\w+\] )?\*\*\* (?:[1-9]\d* (?:TESTS?|SUITES?) (?:FAILED|ABORTED)|\d+ SUITES?"
        r" ABORTED)"
    ),
)
PASSED = Saying(("All tests passed.",), re.compile(r"(?:\[info\] )?All tests passed\.$"))
SCALATEST = re.compile(
    r"(?P<indent>\s*)(?:- )?(?P<test>\S.*?) \*\*\* FAILED \*\*\*(?: \(.{1,60}\))?$"
)
ABOVE = re.compile(r"(?P<indent>\s*)(?!- )(?P<title>\S.*)$")
MUNIT = re.compile(r"==> X (?P<test>\S.*?)\s{2}\d[\d.]*m?s\b ?(?P<rest>.*)$")
JUNIT = re.compile(
    r"Test (?P<test>(?:[\w$]+\.)+[\w$]+(?:\[.*?\]|\(.*?\))?) failed: (?P<rest>.+?)(?:, took [\d.]+"
    r" s(?:ec)?)?$"
)
SPECS2 = re.compile(r"\s+[x!] (?P<test>\S.*)$")
SUITE = re.compile(r"(?P<suite>[\w.$]+)$")
RAISED = re.compile(r"(?P<type>(?:[\w$]+\.)+[A-Z][\w$]*)(?:: ?(?P<message>.*))?$")
MAX_ABOVE = 400


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(" *** FAILED ***"):
        if match := SCALATEST.match(bare(log.line(number))):
            yield finding(log, number, test=scalatest_name(log, number, match), below=number + 1)
    for mark, form in (("==> X ", MUNIT), ("[error] Test ", JUNIT)):
        for number in log.having(mark):
            if match := form.match(bare(log.line(number)).strip()):
                yield finding(log, number, test=match["test"], said=match["rest"])
    yield from specs2(log)


def scalatest_name(log: Log, number: int, match: re.Match[str]) -> str:
    """The titles above, less indented one after the other, down to the suite's: `CartSpec: a cart
    is empty`.
    """
    path, depth = [match["test"]], len(match["indent"])
    is_leaf = bare(log.line(number)).lstrip().startswith("- ")
    for n in range(number - 1, max(0, number - MAX_ABOVE), -1):
        above = ABOVE.match(bare(log.line(n)))
        if above and is_title(above["title"], len(above["indent"]), depth, is_leaf):
            path.append(above["title"].rstrip(":"))
            depth, is_leaf = len(above["indent"]), False
            if above["title"].endswith(":") and depth == 0:
                break
    return " ".join(reversed(path))


def is_title(title: str, indent: int, depth: int, is_leaf: bool) -> bool:
    """Whether a line is a title over what stands `depth` deep; the first level of titles stands as
    deep as its tests.
    """
    if "***" in title or title.startswith(("+ ", "Run ", "at ")):
        return False
    return indent < depth or (indent == depth and (is_leaf or title.endswith(":")))


def specs2(log: Log) -> Iterator[Finding]:
    """Asked only where specs2's count is there."""
    if not log.has("Specification "):
        return
    for number in log.having("[error]  "):
        if match := SPECS2.match(bare(log.line(number))):
            yield finding(log, number, test=match["test"], below=number + 1)


def finding(log: Log, number: int, *, test: str, below: int = 0, said: str = "") -> Finding:
    said = said or bare(log.line(below)).strip()
    raised = RAISED.match(said)
    stop = next(
        (
            n
            for n in range(max(below, number + 1), number + 12)
            if not TRACE.match(log.line(n)) and n != below
        ),
        number + 12,
    )
    return Finding(
        kind=Kind.TEST,
        tool="scalatest",
        line=below or number,
        error_type=simple(raised["type"]) if raised else "TestFailed",
        message=(raised["message"] or "") if raised else said,
        test=test,
        cites=tuple(range(number, stop)),
    )
