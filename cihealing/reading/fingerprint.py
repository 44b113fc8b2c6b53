"""One hash for one failure, whatever the runner, day, branch or checkout; another for another test,
exception type or exit code.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from cihealing.reading.found import Finding, Kind
from cihealing.reading.frames import relative
from cihealing.reading.log import Log
from cihealing.reading.masks import normalise, template

VERSION = "v2"
"""Of the rules below and in masks.py. A change that gives an old failure another hash raises it;
`cihealing rehash` tells which became which.
"""
MAX_PARTS = 500
"""Tests, rules or messages that count; the smallest in alphabetical order, so that the order of the
log does not matter.
"""
EXIT = re.compile(
    r"(?i:(?:exit code|exit status|exited with(?: code| status)?|returned exit code|exit code:)[:"
    r" ]+)(?P<code>-?\d{1,6})\b(?!\.\d)"
)
EXIT_MARKS = ("exit code", "exited with", "exit status", "Exit code", "Exited with")
SPLIT = re.compile(r"[\[({]")
TOKEN = re.compile(r"[^\s,()\[\]{}]+")
VOLATILE = re.compile(
    r"0x[0-9a-fA-F]{4,}|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|(?<=@)[0-9a-f]{5,16}\b"
)

ELSEWHERE = re.compile(r"\A(?:[A-Za-z]:)?[/\\](?:[^\s/\\:]{1,255}[/\\]{1,2}){1,60}")
"""The directories of an absolute path."""
BUILD_ID = re.compile(r"(?<![0-9A-Za-z])(?=[a-f]{0,12}\d)[0-9a-f]{12,64}(?![0-9A-Za-z])")


def hash_of(parts: Iterable[str]) -> str:
    joined = chr(10).join(parts).encode("utf-8", "surrogatepass")
    return f"{VERSION}:{hashlib.sha256(joined).hexdigest()}"


def line_hash(line: str) -> str:
    """The hash of one line after masking: equal for lines of one template."""
    return hash_of(["line", template(line)])


def weak(*, job: str, step: str, conclusion: str) -> str:
    """The hash where no log is known: never equal to one that comes from a log."""
    return hash_of(
        ["weak", normalise(job), normalise(step), normalise(conclusion).lower() or "failure"]
    )


def strong(log: Log, root: Finding, findings: Sequence[Finding], *, exit_code: int | None) -> str:
    """The hash of a failure: its kind, types, tests, rules, masked messages, and an exit code other
    than 0 and 1.

    Exit code 1 is what every tool says, and a log of the bare command does not hold it: it adds
    nothing and would part equal failures.
    """
    same = (
        [f for f in findings if f.kind is root.kind]
        if root.kind in (Kind.TEST, Kind.LINT, Kind.COMPILE)
        else [root]
    )
    parts = sorted({part for finding in same for part in parts_of(log, finding)})
    code = [f"exit {exit_code}"] if exit_code not in (None, 0, 1) else []
    return hash_of(
        [
            f"kind {'log' if root.kind in (Kind.TALK, Kind.RULE, Kind.EXIT) else root.kind.value}",
            # Each test brings its own type, and which of them is the root depends on the order of
            # the log.
            f"type {'' if root.kind is Kind.TEST else root.error_type}",
            *parts[:MAX_PARTS],
            *code,
        ]
    )


def parts_of(log: Log, finding: Finding) -> list[str]:
    if finding.kind is Kind.TEST:
        message = normalise(finding.message)
        return [f"test {test_key(finding.test)} {finding.error_type} {message}".strip()]
    if finding.kind in (Kind.LINT, Kind.COMPILE):
        return [f"{finding.rule}:{file_key(finding.file)} {normalise(finding.message)}"]
    return [normalise(finding.message or log.line(finding.line)).removeprefix("##[error]")]


def test_key(test: str) -> str:
    """The name as it is, but for addresses and ids, and for the order in which sets and mappings
    print in its parameters.
    """
    at = SPLIT.search(test)
    name, parameters = (test[: at.start()], test[at.start() :]) if at else (test, "")
    return ELSEWHERE.sub("", relative(name)) + " ".join(
        sorted(TOKEN.findall(VOLATILE.sub("<id>", parameters)))
    )


def file_key(file: str) -> str:
    """The path in the checkout, without the hashes that build tools put into directories; its last
    part where the root is not known.
    """
    return BUILD_ID.sub("<hash>", ELSEWHERE.sub("", relative(file)))


def exit_code_of(log: Log) -> int | None:
    """The last exit code that is not 0 in the log's own words."""
    for number in reversed(log.having(*EXIT_MARKS)[-200:]):
        codes = [
            int(match["code"])
            for match in EXIT.finditer(log.line(number))
            if number not in log.echoed
        ]
        if codes and codes[-1] != 0:
            return codes[-1]
    return None
