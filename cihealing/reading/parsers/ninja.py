"""ninja: `FAILED: target`, the command, what it printed; and ninja's own errors. Source: ninja's
status_printer and ninja.cc.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import falling
from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("FAILED: ", "ninja: error: ", "ninja: fatal: ")
STEP = re.compile(r"FAILED: (?:\[code=\d+\] )?(?P<target>\S{1,400})")
NEXT_STEP = re.compile(r"\[\d+/\d+\] |ninja: |FAILED: ")
OWN = re.compile(r"ninja: (?:error|fatal): (?P<message>.+)$")
LOUD = re.compile(
    r"(?i).{0,300}\b(?:error|failed|cannot|not found|no such|exception|fatal|undefined|denied)"
)
MOST = 60
WEIGHT, OWN_WEIGHT = 66, 70
"""A step's finding counts only where nothing in its output is known better."""


def parse(log: Log) -> Iterator[Finding]:
    yield from falling(found for n in log.having("FAILED: ") if (found := step_failed(log, n)))
    for number in log.having("ninja: error: ", "ninja: fatal: "):
        if match := OWN.match(log.line(number)):
            yield Finding(
                kind=Kind.ERROR,
                tool="ninja",
                line=number,
                error_type="ninja",
                message=match["message"],
                weight=OWN_WEIGHT,
            )


def step_failed(log: Log, number: int) -> Finding | None:
    """The root is the first line of the output that sounds like an error, else its last, else the
    step's own line.
    """
    if not (match := STEP.match(log.line(number))) or not is_step(log, number):
        return None
    output = [n for n in log.block(number + 2, until=NEXT_STEP, limit=MOST) if log.line(n).strip()]
    root = next((n for n in output if LOUD.match(log.line(n))), output[-1] if output else number)
    cites = (number, *[n for n in output if abs(n - root) < 6])
    return Finding(
        kind=Kind.ERROR,
        tool="ninja",
        line=root,
        error_type="build-step",
        message=log.line(root).strip(),
        file=match["target"],
        cites=tuple(sorted({*cites, root})),
        weight=WEIGHT,
    )


def is_step(log: Log, number: int) -> bool:
    """ninja prints the step above the line, or stops below its output."""
    if re.match(r"\[\d+/\d+\]", log.line(number - 1)):
        return True
    stop = log.block(number + 1, until=NEXT_STEP, limit=400).stop
    return bool(NEXT_STEP.match(log.line(stop)))
