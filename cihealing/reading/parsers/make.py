"""GNU make: what it cannot do itself. `*** [target] Error 2` only echoes a command that failed and
is no finding, unless a signal ended it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.found import Finding, Kind
from cihealing.reading.frames import relative
from cihealing.reading.log import Log

MARKS = (": *** ", "make: ", "]: *** ")
MAKE = r"(?:\S{0,200}/)?(?:g|mingw32-)?make(?:\.exe)?(?:\[\d+\])?: "
RULE = re.compile(
    MAKE + r"\*\*\* (?P<message>No rule to make target .+|No targets(?: specified and no makefile"
    r" found|\.)?.*|Couldn't find .+|virtual memory exhausted.*|empty variable name.*|multiple"
    r" target patterns.*)$"
)
SYNTAX = re.compile(
    r"(?P<file>[^\s:]{1,300}):(?P<line>\d{1,9}): \*\*\* (?P<message>.+?)(?:\.  Stop\.)?$"
)
SIGNAL = re.compile(
    MAKE + r"\*\*\* \[(?:(?P<file>[^\s:\]]{1,300}):(?P<line>\d{1,9}): )?(?P<target>[^\]]{1,300})\]"
    r" (?P<message>(?:Segmentation fault|Killed|Aborted|Terminated|Bus error|Illegal"
    r" instruction|Floating point exception|Hangup|Interrupt|Trace/breakpoint trap)(?: \(core"
    r" dumped\))?)$"
)
MISSING = re.compile(
    MAKE
    + r"(?P<message>(?!\*\*\*|Entering|Leaving|Nothing|Circular|warning)[^\s:]{1,200}: (?:No such"
    r" file or directory|Command not found|Permission denied))$"
)
RULE_WEIGHT, SIGNAL_WEIGHT = 70, 62
STOP = "  Stop."


def parse(log: Log) -> Iterator[Finding]:
    return (
        found for number in log.having(*MARKS) if (found := own_error(log.line(number), number))
    )


def own_error(text: str, number: int) -> Finding | None:
    for form, weight in (
        (RULE, RULE_WEIGHT),
        (MISSING, RULE_WEIGHT),
        (SYNTAX, RULE_WEIGHT),
        (SIGNAL, SIGNAL_WEIGHT),
    ):
        if match := form.match(text):
            return Finding(
                kind=Kind.ERROR,
                tool="make",
                line=number,
                error_type="make",
                message=match["message"].removesuffix(STOP),
                frames=frames(match),
                weight=weight,
            )
    return None


def frames(match: re.Match[str]) -> tuple[Frame, ...]:
    named = match.groupdict()
    return (
        (Frame(file=relative(named["file"]), line=int(named["line"])),) if named.get("line") else ()
    )
