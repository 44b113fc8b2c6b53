"""Compilers of the JVM: javac, Maven's and Kotlin's form."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = (": error: ", "[ERROR] ", "e: ")
FORMS = (
    ("javac", re.compile(r"\s{0,8}(?:\[(?:javac|ERROR)\]\s{1,4})?(?P<file>[^\s:()\[\]]{1,400}\.(?:java|kt|scala|groovy)):\d{1,9}: error: (?P<message>.+)$")),
    ("maven", re.compile(r"(?:\[ERROR\] )(?P<file>[^\s:()\[\]]{1,400}\.(?:java|kt|scala|groovy)):(?:\[\d{1,9},\d{1,9}\]|\d{1,9}:|\s?\(?\d{1,9}) (?P<message>.+)$")),
    ("kotlinc", re.compile(r"e: (?:file://)?(?P<file>[^\s:()]{1,400}\.kts?)(?::\d+:\d+|: \(\d+, ?\d+\):?) (?P<message>.+)$")),
)  # fmt: skip


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        if found := compile_error(log, number):
            yield found


def compile_error(log: Log, number: int) -> Finding | None:
    text = log.line(number)
    for tool, form in FORMS:
        if match := form.match(text):
            named = match.groupdict()
            return Finding(
                kind=Kind.COMPILE, tool=tool, line=number, error_type="compile", message=match["message"], file=match["file"] or "", rule=named.get("rule") or "",
                cites=tuple(detail(log, number)),
            )  # fmt: skip
    return None


def detail(log: Log, number: int) -> range:
    """The error's line and the indented ones that explain it."""
    stop = number + 1
    while stop <= len(log) and stop < number + 6 and log.line(stop).startswith(("  ", "\t")):
        stop += 1
    return range(number, stop)
