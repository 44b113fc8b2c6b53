"""pre-commit: a hook that failed, with what it printed. Source: pre_commit/commands/run.py."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("- hook id: ",)
HEAD = re.compile(r"(?P<name>.{1,200}?)\.{3,200}(?:\(no files to check\))?Failed$")
HOOK = re.compile(r"- hook id: (?P<hook>\S+)$")
NOTE = re.compile(r"- (?:exit code|duration|files were modified)")
NEXT_HOOK = re.compile(r".{1,200}\.{3}(?:\(no files to check\)|\(\S+\))?(?:Passed|Failed|Skipped)$")
MODIFIED = "files were modified by this hook"
WEIGHT = 70
"""Below a fault that the hook's own tool states."""


def parse(log: Log) -> Iterator[Finding]:
    return (found for number in log.having("- hook id: ") if (found := hook_failed(log, number)))


def hook_failed(log: Log, number: int) -> Finding | None:
    hook, head = HOOK.match(log.line(number)), HEAD.match(log.line(number - 1))
    if not hook or not head:
        return None
    output = [n for n in log.block(number + 1, until=NEXT_HOOK, limit=40) if log.line(n).strip()]
    said = [n for n in output if not NOTE.match(log.line(n))]
    modified = any(MODIFIED in log.line(n) for n in output)
    return Finding(
        kind=Kind.LINT,
        tool="pre-commit",
        line=number - 1,
        error_type="lint",
        message=MODIFIED if modified or not said else log.line(said[0]).strip(),
        rule=hook["hook"],
        cites=(number - 1, number, *output[:12]),
        weight=WEIGHT,
    )
