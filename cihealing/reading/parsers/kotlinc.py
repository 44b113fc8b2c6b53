"""kotlinc 1.x and 2.x: by itself, in Gradle (`e: `) and in Maven."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding
from cihealing.reading.log import Log
from cihealing.reading.traces import compile_error

MARKS = (".kt:", ".kts:", "e: java.lang.", "e: org.jetbrains.")
FORM = re.compile(
    r"\s{0,4}(?:(?P<gradle>e: )|(?P<maven>\[ERROR\]"
    r" ))?(?:file://)?(?P<file>(?:[A-Za-z]:)?[^\s:()]{1,400}\.kts?):(?P<place>\d{1,9}:\d{1,9}:?|"
    r" ?\[?\(?\d{1,9}, ?\d{1,9}\)?\]?:?) (?P<error>error: )?(?P<message>.+)$"
)
CRASH = re.compile(
    r"e: (?P<message>(?:java\.lang|org\.jetbrains)\.[\w.$]{1,200}(?:Error|Exception)\b.*)$"
)


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        text = log.line(number)
        match = FORM.match(text)
        if match and (match["gradle"] or match["maven"] or match["error"]):
            yield compile_error(
                log, number, tool="kotlinc", file=match["file"], message=match["message"]
            )
        elif crash := CRASH.match(text):
            yield compile_error(log, number, tool="kotlinc", file="", message=crash["message"])
