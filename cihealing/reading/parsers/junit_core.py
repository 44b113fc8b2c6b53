"""JUnit 3 and 4's own text runner (JUnitCore), which Bazel's and Android's test runners print
too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Saying
from cihealing.reading.log import Log
from cihealing.reading.traces import failed

MARKS = ("There was 1 failure:", "There were ", "There was 1 error:")
FAILED = Saying(("FAILURES!!!",), re.compile(r"FAILURES!!!$"))
PASSED = Saying(("OK (",), re.compile(r"OK \(\d+ tests?\)$"))
HEADER = re.compile(r"There (?:was 1|were \d+) (?:failure|error)s?:$")
ITEM = re.compile(
    r"\d{1,6}\)"
    r" (?P<test>[A-Za-z_$][\w$]*(?:\[.*\])?)\((?P<owner>[A-Za-z_$][\w.$]*)\)(?P<raised>\S.*)?$"
)
CLASS_ITEM = re.compile(r"\d{1,6}\) (?P<owner>(?:[a-z]\w*\.)+[A-Z][\w$]*)$")
END = re.compile(r"FAILURES!!!|There were \d|There was 1 |Tests run: ")
MAX_LIST = 20_000


def parse(log: Log) -> Iterator[Finding]:
    for header in log.having(*MARKS):
        if HEADER.match(log.line(header)):
            for number in log.block(header + 1, until=END, limit=MAX_LIST):
                if name := full_name(log.line(number)):
                    yield failed(log, tool="junit", at=number, below=number + 1, test=name)


def full_name(line: str) -> str:
    if item := ITEM.match(line):
        return f"{item['owner']}.{item['test']}"
    return whole["owner"] if (whole := CLASS_ITEM.match(line)) else ""
