"""`dotnet test` and vstest with xUnit, NUnit and MSTest: the console logger of every SDK, the
terminal logger, Microsoft.Testing.Platform, xUnit's own runner.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

MARKS = ("Failed ", "failed ", "X ", "[FAIL]", "error TESTERROR:")
FAILED = Saying(
    ("Failed!  - Failed:", "Test Run Failed.", "Test summary: total:", "Test run summary: Failed!"),
    re.compile(
        r"Failed!  - Failed: +[1-9]|Test Run Failed\.$|Test summary: total: \d+, failed: [1-9]|Test"
        r" run summary: Failed!"
    ),
)
PASSED = Saying(
    (
        "Passed!  - Failed:",
        "Test Run Successful.",
        "Test summary: total:",
        "Test run summary: Passed!",
    ),
    re.compile(
        r"Passed!  - Failed: +0,|Test Run Successful\.$|Test summary: total: [1-9]\d*, failed:"
        r" 0|Test run summary: Passed!"
    ),
)
TIME = r"(?:< )?[\d.,]+ ?(?:ms|s|m|h)(?: [\d.,]+ ?(?:ms|s|m))*"
CONSOLE = re.compile(rf"\s{{0,2}}(?:Failed|X) {{1,3}}(?P<test>\S.*?)(?: \[{TIME}\])?$")
PLATFORM = re.compile(rf"\s{{0,2}}failed (?P<test>\S.*?) \({TIME}\)$")
XUNIT = re.compile(
    r"(?:\[xUnit\.net [\d:.]+\])?\s{4,5}(?P<test>[^\s.][^\s(]{0,400}(?:\(.{0,400}\))?) \[FAIL\]$"
)
TERMINAL = re.compile(rf"\s{{2,8}}(?P<test>\S.*?) \({TIME}\): Error Message: ?(?P<message>.*)$")
MESSAGE = re.compile(r"\s{0,3}Error Message:\s*$")
RAISED = re.compile(
    r"\s*(?P<type>(?:[A-Z]\w*\.)+[A-Z]\w*(?:Exception|Error)\w*) ?: (?P<message>.*)$"
)
ASSERTION = re.compile(r"\s*(?P<type>Assert\.\w+)\b")
TRACE = re.compile(
    r"\s{2,12}(?:at |in |--- End of |\S+\(\d+,\d+\): at )|\s{0,6}(?:Stack Trace:|----- Inner Stack"
    r" Trace)"
)
END = re.compile(
    r"\s{0,2}(?:Failed|Passed|Skipped|X|V|!|passed|failed|skipped) {1,3}\S|(?:Failed|Passed)!  -"
    r" |Test [Rr]un |Total tests: |\[xUnit\.net |Results File: |\s{0,4}Standard Output|Test"
    r" summary: |\s{4}\S.* \[(?:FAIL|PASS|SKIP)\]$|\s{0,2}\S+ test failed with |\s{0,6}\S+\(\d+\):"
    r" error TESTERROR"
)
MAX_ITEM = 80
MAX_SHOWN = 40


def parse(log: Log) -> Iterator[Finding]:
    named: set[str] = set()
    for number in log.having("Failed ", "X ", "failed ", "error TESTERROR:"):
        if found := vstest(log, number) or platform(log, number) or terminal(log, number):
            named.add(found.test)
            yield found
    for number in log.having("[FAIL]"):
        match = XUNIT.match(log.line(number))
        if match and match["test"] not in named:
            named.add(match["test"])
            yield finding(log, number, test=match["test"], below=number + 1)


def vstest(log: Log, number: int) -> Finding | None:
    """A verdict is one only with its message below."""
    match = CONSOLE.match(log.line(number))
    if match and MESSAGE.match(log.line(number + 1)):
        return finding(log, number, test=match["test"], below=number + 2)
    return None


def platform(log: Log, number: int) -> Finding | None:
    match = PLATFORM.match(log.line(number))
    return (
        finding(log, number, test=match["test"], below=number + 1)
        if match and log.line(number + 1).startswith("  ")
        else None
    )


def terminal(log: Log, number: int) -> Finding | None:
    if "error TESTERROR:" not in log.line(number):
        return None
    match = TERMINAL.match(log.line(number + 1))
    if not match:
        return None
    if match["message"]:
        return finding(log, number, test=match["test"], below=number + 1, said=match["message"])
    return finding(log, number, test=match["test"], below=number + 2)


def finding(log: Log, number: int, *, test: str, below: int, said: str = "") -> Finding:
    lines = [n for n in log.block(below, until=END, limit=MAX_ITEM) if log.line(n).strip()]
    root = next(
        (
            n
            for n in lines
            if not TRACE.match(log.line(n)) and log.line(n).strip() != "Error Message:"
        ),
        number,
    )
    said = said or log.line(root).strip()
    raised, assertion = RAISED.match(said), ASSERTION.match(said)
    error_type = (
        raised["type"].rpartition(".")[2]
        if raised
        else assertion["type"]
        if assertion
        else "AssertionFailed"
    )
    return Finding(
        kind=Kind.TEST,
        tool="dotnet",
        line=root,
        error_type=error_type,
        message=raised["message"] if raised else said,
        test=test,
        cites=(*range(number, min(below, root)), *lines[:MAX_SHOWN]),
    )
