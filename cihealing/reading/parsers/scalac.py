"""scalac 2 and 3: by itself, in sbt, Maven, Gradle and Mill."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding
from cihealing.reading.log import Log
from cihealing.reading.traces import bare, compile_error

MARKS = (".scala:", ".sc:")
SCALA_2 = re.compile(
    r"(?:\[Error\]"
    r" )?(?P<file>(?:[A-Za-z]:)?[^\s:()\[\]]{1,400}\.(?:scala|sc)):\d{1,9}(?::\d{1,9})?:"
    r" (?P<error>error: )?(?P<message>\S.*)$"
)
SCALA_3 = re.compile(
    r"-- (?:\[(?P<rule>E\d{1,4})\] )?(?P<message>[A-Z][\w ]{1,60}Error|Error):"
    r" (?P<file>\S{1,400}\.(?:scala|sc)):\d{1,9}:\d{1,9} -*$"
)
LOUD = ("[error] ", "[ERROR] ", "[Error] ")


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        text = log.line(number)
        said = bare(text).strip()
        if match := SCALA_3.match(said):
            yield compile_error(
                log,
                number,
                tool="scalac",
                file=match["file"],
                message=match["message"],
                rule=match["rule"] or "",
            )
        elif (
            (match := SCALA_2.match(said))
            and (match["error"] or text.startswith(LOUD))
            and not match["message"].startswith("warning: ")
        ):
            yield compile_error(
                log, number, tool="scalac", file=match["file"], message=match["message"]
            )
