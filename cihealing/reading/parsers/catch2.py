"""Catch2, doctest and Boost.Test. Sources: Catch2's console reporter (versions 2 and 3), doctest's
ConsoleReporter, Boost's compiler-log formatter.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.forms import PATH
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.frames import relative
from cihealing.reading.log import Log

CASES, RULES = "TEST CASE:  ", "-" * 60
MARKS = (": FAILED:", " ERROR: ", 'error: in "', CASES, RULES)
PLACE = rf"(?P<file>{PATH}\.\w{{1,5}})(?::|\()(?P<line>\d{{1,9}})\)?:"
CATCH = re.compile(PLACE + r" FAILED:$")
DOCTEST = re.compile(PLACE + r" (?:FATAL )?ERROR: (?P<message>.+)$")
BOOST = re.compile(PLACE + r" (?:fatal )?error: in \"(?P<test>[^\"]{1,300})\": (?P<message>.+)$")
CASE = re.compile(r"TEST CASE:  (?P<test>.+)$")
RULE = re.compile(r"-{60,}$")
BLANK = re.compile(r"\s*$")
PASSED = Saying(
    ("All tests passed (", "Status: SUCCESS!", "No errors detected"),
    re.compile(
        r"All tests passed \(\d+ assertions?|\[doctest\] Status: SUCCESS!|\*\*\* No errors detected"
    ),
)
FAILED = Saying(
    ("test cases: ", "Status: FAILURE!", " detected in the test module"),
    re.compile(
        r"test cases:.* [1-9]\d* failed|\[doctest\] Status: FAILURE!|\*\*\* \d+ failures?"
        r" (?:is|are) detected"
    ),
)


def parse(log: Log) -> Iterator[Finding]:
    rules = [n for n in log.having(RULES) if RULE.match(log.line(n))]
    cases = [n for n in log.having(CASES) if CASE.match(log.line(n))]
    yield from (found for n in log.having(": FAILED:") if (found := catch2(log, n, rules)))
    yield from (found for n in log.having(" ERROR: ") if (found := doctest(log, n, cases)))
    for number in log.having('error: in "'):
        if match := BOOST.match(log.line(number)):
            yield finding(
                "boost",
                number,
                match,
                test=match["test"],
                message=match["message"],
                cites=(number,),
            )


def catch2(log: Log, number: int, rules: list[int]) -> Finding | None:
    """The test case's name stands between two rules, its sections indented below it, then its place
    and a dotted rule.
    """
    if not (match := CATCH.match(log.line(number))):
        return None
    above = rules[max(0, bisect_left(rules, number) - 2) :][:2]
    test = log.line(above[0] + 1).strip() if len(above) == 2 and above[1] < number else ""
    cites = log.block(number, until=BLANK, limit=14)
    message = " ".join(log.line(n).strip() for n in cites[1:4])
    return finding("catch2", number, match, test=test, message=message, cites=tuple(cites))


def doctest(log: Log, number: int, cases: list[int]) -> Finding | None:
    match, above = DOCTEST.match(log.line(number)), bisect_left(cases, number)
    case = CASE.match(log.line(cases[above - 1])) if above else None
    if not match or not case:
        return None
    cites = log.block(number, until=BLANK, limit=8)
    return finding(
        "doctest", number, match, test=case["test"], message=match["message"], cites=tuple(cites)
    )


def finding(
    tool: str, number: int, match: re.Match[str], *, test: str, message: str, cites: tuple[int, ...]
) -> Finding:
    frame = Frame(file=relative(match["file"]), line=int(match["line"]))
    return Finding(
        kind=Kind.TEST,
        tool=tool,
        line=number,
        error_type="TestFailed",
        message=message,
        test=test,
        cites=cites,
        frames=(frame,),
    )
