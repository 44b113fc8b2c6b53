"""TestNG's own console reporter (`-verbose 2`, its Ant task)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Saying
from cihealing.reading.log import Log
from cihealing.reading.traces import bare, failed

MARKS = ("FAILED: ", ", Skips: ")
COUNTS = r"(?:Total t|T)ests run: \d+, (?:Passes: \d+, )?Failures: "
FAILED = Saying((", Skips: ",), re.compile(rf"{COUNTS}[1-9]\d*, Skips: "))
PASSED = Saying((", Skips: ",), re.compile(rf"{COUNTS}0, Skips: 0"))
VERDICT = re.compile(r"FAILED: (?P<test>[A-Za-z_][\w.$]*(?:\(.*\)|\[.*\])?)$")


def parse(log: Log) -> Iterator[Finding]:
    """Asked only where the line of its counts is there: other tools say FAILED too."""
    if not log.has(", Skips: "):
        return
    for number in log.having("FAILED: "):
        if match := VERDICT.match(bare(log.line(number)).strip()):
            yield failed(log, tool="testng", at=number, below=number + 1, test=match["test"])
