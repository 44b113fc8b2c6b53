"""PHPUnit 4 to 12: its lists of errors and failures, testdox and TeamCity output; Codeception
prints the same lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

HEADERS = (" failure:", " failures:", " error:", " errors:")
MARKS = (*HEADERS, "##teamcity[testFailed", " ✘ ", "PHPUnit ")
PASSED = Saying(("OK (", "OK, but "), re.compile(r"OK \(\d+ tests?, \d+ assertions?\)|OK, but "))
FAILED = Saying(
    ("Tests: ",), re.compile(r"Tests: \d+, Assertions: \d+.*, (?:Errors|Failures): [1-9]")
)
HEADER = re.compile(r"There (?:was|were) \d+ (?:failure|error)s?:$")
ITEM = re.compile(r"\d+\) (?P<test>(?:[\w\\]+::)\S.*|[\w\\]+(?: with data set .*)?)$")
END = re.compile(r"--$|(?:FAILURES|ERRORS|WARNINGS|OK)\b.*!$|Tests: \d|There (?:was|were) \d")
RAISED = re.compile(
    r"(?P<type>[A-Z]\w*(?:\\\w+)*(?:Exception|Error|Warning|Notice|Deprecated)\w*|(?:\w+\\)+\w+):"
    r" ?(?P<message>.*)$"
)
DATA = re.compile(r"(?P<test>\S+::\S+) with data set (?P<set>#\d+|\"[^\"]*\").*$")
TEAMCITY = re.compile(
    r"##teamcity\[testFailed name='(?P<name>(?:[^'|]|\|.){1,400})'"
    r" message='(?P<message>(?:[^'|]|\|.){0,600})'"
)
TESTDOX = re.compile(r" ✘ (?P<test>\S.*?)(?: \[[\d.]+ ms\])?$")
TESTDOX_LINE = re.compile(r"   [│├┐┴╵╷]")
ASSERTION = "AssertionFailedError"
MAX_ITEM = 60
MAX_LIST = 20_000


def parse(log: Log) -> Iterator[Finding]:
    found = False
    for header in log.having(*HEADERS):
        if HEADER.match(log.line(header)):
            for number in log.block(header + 1, until=END, limit=MAX_LIST):
                if match := ITEM.match(log.line(number)):
                    found = True
                    yield finding(log, number, match["test"])
    if not found:
        yield from teamcity(log)
        yield from testdox(log)


def finding(log: Log, number: int, name: str) -> Finding:
    lines = [
        n
        for n in log.block(number + 1, until=re.compile(rf"\d+\) |{END.pattern}"), limit=MAX_ITEM)
        if log.line(n).strip()
    ]
    root = lines[0] if lines else number
    raised = RAISED.match(log.line(root))
    return Finding(
        kind=Kind.TEST,
        tool="phpunit",
        line=root,
        error_type=raised["type"].rpartition("\\")[2] if raised else ASSERTION,
        message=raised["message"] if raised else log.line(root),
        test=short(name),
        cites=(number, *lines),
    )


def short(name: str) -> str:
    """`Class::test`, and of a data provider the set's name without its values, which may be of any
    length.
    """
    match = DATA.match(name)
    return f"{match['test']} with data set {match['set']}" if match else name


def teamcity(log: Log) -> Iterator[Finding]:
    for number in log.having("##teamcity[testFailed"):
        if match := TEAMCITY.match(log.line(number)):
            yield Finding(
                kind=Kind.TEST,
                tool="phpunit",
                line=number,
                error_type=ASSERTION,
                message=match["message"],
                test=match["name"],
            )


def testdox(log: Log) -> Iterator[Finding]:
    """PHPUnit before 10 prints no more than this: the method's name as a sentence, below the
    class's.
    """
    if not log.has("PHPUnit "):
        return
    for number in log.having(" ✘ "):
        match = TESTDOX.match(log.line(number))
        if match and TESTDOX_LINE.match(log.line(number + 1)):
            lines = [
                n
                for n in log.block(number + 1, until=re.compile(r" {0,2}\S|$"), limit=MAX_ITEM)
                if log.line(n).strip(" │├┐┴╵╷")
            ]
            root = lines[0] if lines else number
            message = log.line(root).strip(" │├┐┴╵╷")
            raised = RAISED.match(message)
            yield Finding(
                kind=Kind.TEST,
                tool="phpunit",
                line=root,
                error_type=raised["type"].rpartition("\\")[2] if raised else ASSERTION,
                message=raised["message"] if raised else message,
                test=f"{owner(log, number)}::{match['test']}",
                cites=(number, *lines),
            )


def owner(log: Log, number: int) -> str:
    """The class a sentence stands below."""
    return next(
        (
            text
            for n in range(number - 1, max(0, number - MAX_LIST), -1)
            if (text := log.line(n)) and not text.startswith((" ", "\t"))
        ),
        "",
    )
