"""javac by itself, in Ant, Gradle and Maven, and the compiler of Eclipse."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding
from cihealing.reading.log import Log
from cihealing.reading.traces import LABEL, bare, compile_error

MAVEN_HEADERS = ("COMPILATION ERROR", "Compilation failure", "Failed to execute goal")
OPTION_MARKS = (
    "error: invalid ",
    "error: release version ",
    "error: warnings found ",
    "error: no source files",
)
MARKS = (".java:", "ERROR in ", *OPTION_MARKS, *MAVEN_HEADERS)
FILE = r"(?P<file>(?:[A-Za-z]:)?[^\s:()\[\]]{1,400}\.java)"
# Gradle before 5 writes the task's name and javac's first message on one line.
PLAIN = re.compile(
    rf"\s{{0,8}}(?::[\w:-]{{1,100}}(?=/))?{FILE}:\d{{1,9}}: (?P<error>error: )?(?P<message>\S.*)$"
)
MAVEN = re.compile(
    rf"(?:\[ERROR\] {{1,4}})?{FILE}:\[\d{{1,9}}(?:,\d{{1,9}})?\] (?P<message>(?!\([a-z]+\)"
    r" [A-Z]\w*:)\S.*)$"
)
ECLIPSE = re.compile(r"\d{1,6}\. ERROR in (?P<file>\S{1,400}\.java) \(at line \d{1,9}\)$")
OPTIONS = re.compile(
    r"error: (?P<message>(?:invalid (?:source|target|flag)|release version \S+ not"
    r" supported|warnings found and -Werror|no source files).*)$"
)
NOT_AN_ERROR = re.compile(
    r"(?:warning|note|Note|info)\b:?|\[(?:deprecation|unchecked|rawtypes|removal|serial|cast)\]"
)
NEAR = 12
"""Lines one message may be below the last one in a block of Maven's."""
ONLY_TOLD = 51
"""The weight of a message outside of such a block: the compiler went on."""


def parse(log: Log) -> Iterator[Finding]:
    yield from maven(log)
    for number in log.having(".java:", "ERROR in ", *OPTION_MARKS):
        if found := message(log, number):
            yield found


def maven(log: Log) -> Iterator[Finding]:
    block = -NEAR
    headers = frozenset(log.having(*MAVEN_HEADERS))
    for number in log.having(".java:", *MAVEN_HEADERS):
        match = MAVEN.match(log.line(number))
        near = number - block <= NEAR
        if number in headers or (match and near):
            block = number
        if match:
            yield compile_error(
                log,
                number,
                tool="javac",
                file=match["file"],
                message=match["message"],
                weight=0 if near else ONLY_TOLD,
            )


def message(log: Log, number: int) -> Finding | None:
    text = log.line(number)
    if match := plain(text):
        return compile_error(
            log, number, tool="javac", file=match["file"], message=match["message"]
        )
    if match := ECLIPSE.match(bare(text)):
        return compile_error(
            log, number, tool="ecj", file=match["file"], message=bare(log.line(number + 3)).strip()
        )
    if match := OPTIONS.match(bare(text)):
        return compile_error(log, number, tool="javac", file="", message=match["message"])
    return None


def plain(text: str) -> re.Match[str] | None:
    """`FILE:LINE: error: …`; javac before 7 says no `error: `, so that without it Ant's label must
    be there.
    """
    label = LABEL.match(text)
    match = PLAIN.match(bare(text))
    if match and (
        match["error"]
        or (label and "[javac]" in label[0] and not NOT_AN_ERROR.match(match["message"]))
    ):
        return match
    return None
