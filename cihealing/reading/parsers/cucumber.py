"""Cucumber: Ruby 1 to 9, the JVM and JavaScript, as their progress and pretty formatters close;
Behat's and behave's lists are alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

HEADERS = ("Failing Scenarios:", "Failed scenarios:", "Failing scenarios:", "--- Failed scenarios:")
SAID = (" (RuntimeError)", "Error)", "expected", "Step undefined")
MARKS = (*HEADERS, ".feature:")
FAILED = Saying(
    (" scenario",), re.compile(r"\d+ (?:S|s)cenarios? \((?:.{0,80}?, )?[1-9]\d* failed")
)
PASSED = Saying((" scenario",), re.compile(r"\d+ scenarios? \((?:\d+ skipped, )?\d+ passed\)$"))
ITEM = re.compile(
    r"\s{0,6}(?:cucumber |behave )?(?:(?:-p|-r) \S+"
    r" ){0,6}(?:file://)?(?P<file>\S+\.feature):(?P<line>\d+)(?: # (?:Scenario(?: Outline)?:"
    r" |Example: )?(?P<name>\S.*)|\s{1,4}(?P<behave>\S.*))?$"
)
RAISED = re.compile(r"\s*(?P<message>\S.*) \((?P<type>[A-Z][\w:]*)\)$")
AT_STEP = re.compile(r"\s*(?:\./)?(?P<file>\S+\.feature):(?P<line>\d+):in ")
MAX_LIST = 2000
MAX_ABOVE = 40


def parse(log: Log) -> Iterator[Finding]:
    raised = steps(log)
    for header in log.having(*HEADERS):
        if (
            not log.line(header)
            .strip()
            .removeprefix("--- ")
            .startswith(tuple(h.removeprefix("--- ") for h in HEADERS))
        ):
            continue
        for number in range(header + 1, min(header + MAX_LIST, len(log) + 1)):
            match = ITEM.match(log.line(number))
            if match:
                yield scenario(log, number, match, raised)
            elif log.line(number).strip():
                break


def steps(log: Log) -> dict[str, list[tuple[int, int]]]:
    """Of each feature file the lines of the steps that raised, and where the log tells of them."""
    found: dict[str, list[tuple[int, int]]] = {}
    for number in log.having(".feature:"):
        if match := AT_STEP.match(log.line(number)):
            found.setdefault(match["file"], []).append((int(match["line"]), number))
    return found


def scenario(
    log: Log, number: int, match: re.Match[str], raised: dict[str, list[tuple[int, int]]]
) -> Finding:
    name = match["name"] or match["behave"] or f"{match['file']}:{match['line']}"
    below = [step for step in raised.get(match["file"], []) if step[0] >= int(match["line"])]
    told = min(below)[1] if below else 0
    root = (
        next(
            (n for n in range(told - 1, max(0, told - MAX_ABOVE), -1) if RAISED.match(log.line(n))),
            0,
        )
        if told
        else 0
    )
    said = RAISED.match(log.line(root))
    return Finding(
        kind=Kind.TEST,
        tool="cucumber",
        line=root or number,
        error_type=said["type"].rpartition("::")[2] if said else "ScenarioFailed",
        message=said["message"] if said else log.line(number).strip(),
        test=name,
        cites=(*(range(root, told + 1) if root else ()), number),
    )
