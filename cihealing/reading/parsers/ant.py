"""Ant: its junit and junitlauncher tasks with every formatter, and the line after BUILD FAILED."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log
from cihealing.reading.traces import bare, failed

MARKS = ("Testcase: ", "Testsuite: ", "[junit] Running ", "[junit] Test ", "BUILD FAILED")
SUITE = re.compile(r"(?:Testsuite: |Running )(?P<suite>[\w.$]+)$")
PLAIN = re.compile(r"Testcase: (?P<test>\S.*?) took [\d.,]{1,12} sec$")
BRIEF = re.compile(
    r"Testcase: (?P<test>\S.*?)(?:\((?P<owner>[\w.$]+)\))?:\s{1,4}(?:FAILED|Caused an ERROR)$"
)
VERDICT = re.compile(r"\s*(?:FAILED|Caused an ERROR)$")
CLASS = re.compile(r"Test (?P<suite>[\w.$]+) FAILED(?: \((?P<why>crashed|timeout)\))?$")
BUILD_FILE = re.compile(r"\S.{0,400}?\.xml:\d{1,6}: (?P<message>.+)$")
OUTER = "The following error occurred while executing this line:"


def parse(log: Log) -> Iterator[Finding]:
    found = list(tests(log))
    yield from found
    yield from classes(log, [finding.test for finding in found])
    yield from build_failed(log)


def tests(log: Log) -> Iterator[Finding]:
    suite = ""
    for number in log.having("Testcase: ", "Testsuite: ", "[junit] Running "):
        text = bare(log.line(number)).strip()
        if about := SUITE.match(text):
            suite = about["suite"]
        elif brief := BRIEF.match(text):
            yield failed(
                log,
                tool="ant",
                at=number,
                below=number + 1,
                test=full_name(brief["owner"] or suite, brief["test"]),
                within=8,
            )
        elif (plain := PLAIN.match(text)) and VERDICT.match(bare(log.line(number + 1))):
            yield failed(
                log,
                tool="ant",
                at=number,
                below=number + 2,
                test=full_name(suite, plain["test"]),
                within=8,
            )


def full_name(suite: str, test: str) -> str:
    return f"{suite}.{test}" if suite else test


def classes(log: Log, known: list[str]) -> Iterator[Finding]:
    """`Test CLASS FAILED`: the one word there is where the formatter writes to a file or the JVM
    died.
    """
    for number in log.having("[junit] Test "):
        match = CLASS.match(bare(log.line(number)).strip())
        if match and not any(test.startswith(f"{match['suite']}.") for test in known):
            yield Finding(
                kind=Kind.TEST,
                tool="ant",
                line=number,
                error_type=match["why"] or "TestFailed",
                test=match["suite"],
            )


def build_failed(log: Log) -> Iterator[Finding]:
    for number in log.having("BUILD FAILED"):
        if log.line(number) != "BUILD FAILED":
            continue
        lines = log.block(number + 1, until=re.compile(r"\s*$"), limit=12)
        told = [
            n
            for n in lines
            if (match := BUILD_FILE.match(log.line(n))) and match["message"] != OUTER
        ]
        if told:
            message = log.line(told[-1]).partition(": ")[2]
            yield Finding(
                kind=Kind.ERROR,
                tool="ant",
                line=told[-1],
                error_type="BuildFailure",
                message=message,
                cites=tuple(lines),
            )
