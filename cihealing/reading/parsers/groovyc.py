"""Groovy's compiler: in Gradle and Maven, and on a build script or a Jenkinsfile."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding
from cihealing.reading.log import Log
from cihealing.reading.traces import bare, compile_error

MARKS = (" @ line ",)
FORM = re.compile(
    r"\s{0,4}(?:\d{1,6}\) )?(?P<file>[^\s:]{1,400}|[A-Za-z]:[^:]{1,400}|build file '[^']{1,400}'):"
    r" ?\d{1,9}: (?P<message>.+) @ line \d{1,9}, column \d{1,9}\.?$"
)


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        if match := FORM.match(bare(log.line(number))):
            yield compile_error(
                log,
                number,
                tool="groovyc",
                file=match["file"].removeprefix("build file ").strip("'"),
                message=match["message"],
            )
