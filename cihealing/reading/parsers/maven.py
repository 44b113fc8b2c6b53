"""Maven 2 to 4: the goal that failed and why, POMs that cannot be read, rules of the Enforcer, its
verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.traces import MAX_TRACE, RAISED, TRACE

LAST_WORDS = (
    "[ERROR] Failed to execute goal",
    "[ERROR] Plugin ",
    "[ERROR] Some problems were encountered",
    "[ERROR] [ERROR] Some problems were",
    "[ERROR] The build could not read",
    "[ERROR] Could not",
    "[ERROR] Unknown lifecycle phase",
    "[ERROR] No plugin found for prefix",
    "[ERROR] Child module ",
    "[ERROR] Error executing Maven",
    "[ERROR] The goal you specified",
    "[ERROR] Internal error: ",
    "[ERROR] BUILD ERROR",
    "[ERROR] BUILD FAILURE",
    "[ERROR] The project ",
    "[ERROR] Unresolveable build extension",
    "[ERROR] No goals have been specified",
)
RULE_FAILED = " failed with message:"
MARKS = (*LAST_WORDS, RULE_FAILED)
PASSED = Saying(("BUILD SUCCESS",), re.compile(r"\[INFO\] BUILD SUCCESS"))
FAILED = Saying(("BUILD FAILURE",), re.compile(r"\[(?:INFO|ERROR)\] BUILD FAILURE"))
RULE = re.compile(
    r"\[(?:WARNING|ERROR)\] Rule \d{1,4}: (?:[\w$]+\.){0,15}(?P<rule>[\w$]+)(?:\([^)]{0,200}\))?"
    r" failed with message:\s*(?P<message>.*)$"
)
LABEL = re.compile(r"\[(?:ERROR|FATAL)\] (?:\[ERROR\] )?")
RULE_END = re.compile(r"\[(?:INFO|ERROR)\]|\s*$")


def parse(log: Log) -> Iterator[Finding]:
    yield from goals(log)
    yield from rules(log)


def goals(log: Log) -> Iterator[Finding]:
    """Maven's last word and the block of [ERROR] lines below it."""
    stop = 0
    for number in log.having(*LAST_WORDS):
        text = log.line(number)
        if number < stop or not text.startswith("[ERROR]"):
            continue
        stop = end_of_block(log, number + 1)
        root = number + 1 if "Some problems were encountered" in text else number
        message = LABEL.sub("", log.line(root)).partition(" -> [Help")[0]
        yield Finding(
            kind=Kind.ERROR,
            tool="maven",
            line=root,
            error_type="BuildFailure",
            message=message,
            cites=tuple(range(number, stop)),
            weight=0 if root == number else 66,
        )


def end_of_block(log: Log, number: int) -> int:
    stop = number
    while stop < number + MAX_TRACE and part_of_block(log.line(stop)):
        stop += 1
    return stop


def part_of_block(line: str) -> bool:
    return bool(line.startswith(("[ERROR]", "[FATAL]")) or TRACE.match(line) or RAISED.match(line))


def rules(log: Log) -> Iterator[Finding]:
    """What a rule of the Enforcer objects to stands above the goal that failed."""
    for number in log.having(RULE_FAILED):
        if match := RULE.match(log.line(number)):
            lines = log.block(number + 1, until=RULE_END, limit=12)
            root = number if match["message"] or not lines else lines.start
            yield Finding(
                kind=Kind.ERROR,
                tool="enforcer",
                line=root,
                error_type="EnforcerRule",
                rule=match["rule"],
                message=match["message"] or log.line(root),
                cites=(number, *lines),
                weight=66,
            )
