"""Linters, formatters and type checkers of Python: ruff, flake8, pycodestyle, pylint, black, isort,
mypy, pyright, pytype, bandit, pydocstyle. Sources: their default, concise and parseable
reporters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cihealing.reading.forms import PATH, Form, place, stated
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

LINES = (
    ".py:",
    ".pyi:",
    ".ipynb:",
    "would reformat ",
    "Would reformat: ",
    "cannot format ",
    "cannot parse: ",
    "Imports are incorrectly",
    ".py: error: ",
)
MARKS = (*LINES, "--> ", ">> Issue: [", "--exit-zero", " - error: ", "        D")
FILE = rf"(?P<file>{PATH}\.(?:pyi?|ipynb))"
FORMS = (
    Form(
        "pylint",
        re.compile(
            FILE + r":\d{1,9}:(?:\d{1,6}:)? \[?(?P<rule>[CRWEF]\d{4})(?:\([\w-]+\), \S{0,200}\])?:?"
            r" (?P<message>.+)$"
        ),
    ),
    Form(
        "flake8",
        re.compile(
            FILE
            + r":(?:cell \d+:)?\d{1,9}:(?:\d{1,6}:)? (?P<rule>[A-Z]{1,4}\d{2,4}|invalid-syntax):?"
            r" (?:\[\*\] )?(?P<message>.+)$"
        ),
    ),
    Form(
        "mypy",
        re.compile(
            r"(?!__main__\.py: )"
            + FILE
            + r":(?:\d{1,9}:){0,4} error: (?P<message>.+?)(?:\s{2}\[(?P<rule>[\w-]+)\])?$"
        ),
        "types",
    ),
    Form(
        "pyright",
        re.compile(
            r"\s*"
            + FILE
            + r":\d{1,9}:\d{1,6} - error: (?P<message>.+?)(?: \((?P<rule>report\w+)\))?$"
        ),
        "types",
    ),
    Form(
        "isort",
        re.compile(r"ERROR: (?P<file>\S{1,400}) (?P<message>Imports are incorrectly sorted.*)$"),
    ),
    Form(
        "black",
        re.compile(r"error: cannot (?:format|parse:?) (?P<file>[^\s:]{1,400}):(?P<message>.+)$"),
    ),
    Form("black", re.compile(r"(?P<message>would reformat|Would reformat:) (?P<file>\S{1,400})$")),
)
RUFF = re.compile(
    r"(?P<rule>[A-Z]{1,4}\d{3,4}|invalid-syntax|unformatted|[a-z]+(?:-[a-z]+){1,6})(?::| \[\*\]|(?="
    r" )) ?(?P<message>.*)$"
)
ARROW = re.compile(r"\s*--> (?P<file>[^\s:]{1,400})(?::(?:cell \d+:)?\d+:\d+)?$")
BANDIT = re.compile(r">> Issue: \[(?P<rule>B\d{3})\S{0,80}\] (?P<message>.+)$")
LOCATION = re.compile(r"\s+Location: (?P<file>\S{1,400}?):(?P<line>\d{1,9})")
DOCSTYLE = re.compile(r" {8}(?P<rule>D\d{3}): (?P<message>.+)$")
PLACE = re.compile(r"(?P<file>\S{1,400}\.pyi?):(?P<line>\d{1,9}) ")
CODE_BLOCK = re.compile(r"\s*$|help: ")
FATAL_RULES = ("E9", "F63", "F7", "F82")
COUNTED = 10
"""The weight of a fault under --exit-zero."""
PASSED = Saying(
    ("no issues found in", "0 errors, "),
    re.compile(
        r"Success: no issues found in|0 errors, \d+ warnings?, \d+ (?:informations?|notes?)"
    ),
)
FAILED = Saying(
    ("checked ", " warnings"),
    re.compile(
        r"Found [1-9]\d* errors? in \d+ files?|[1-9]\d* errors?, \d+ warnings?, \d+"
        r" (?:informations?|notes?)"
    ),
)


def parse(log: Log) -> Iterator[Finding]:
    counted = bool(log.having("--exit-zero"))
    yield from (
        replace(found, weight=COUNTED) if counted and is_counted(found) else found
        for found in stated(log, FORMS, LINES)
    )
    yield from ruff(log)
    yield from (found for n in log.having(">> Issue: [") if (found := bandit(log, n)))
    yield from (found for n in log.having("        D") if (found := pydocstyle(log, n)))


def is_counted(found: Finding) -> bool:
    """Whether flake8 told a fault only to count it: GitHub's template runs it twice, first with the
    rules that fail a build.
    """
    return found.tool == "flake8" and not found.rule.startswith(FATAL_RULES)


def ruff(log: Log) -> Iterator[Finding]:
    """ruff's full format: the rule's line, then an arrow to the place and the code."""
    for number in log.having("--> "):
        arrow, above = ARROW.match(log.line(number)), RUFF.match(log.line(number - 1))
        if arrow and above and not log.line(number - 1).startswith(("error", "warning")):
            stop = log.block(number, until=CODE_BLOCK, limit=12).stop
            yield of_rule("ruff", number - 1, above, at=arrow, cites=range(number - 1, stop))


def bandit(log: Log, number: int) -> Finding | None:
    issue, places = (
        BANDIT.match(log.line(number)),
        [n for n in range(number, number + 5) if LOCATION.match(log.line(n))],
    )
    where = LOCATION.match(log.line(places[0])) if places else None
    return (
        of_rule("bandit", number, issue, at=where, cites=range(number, places[0] + 1))
        if issue and where
        else None
    )


def pydocstyle(log: Log, number: int) -> Finding | None:
    rule, where = DOCSTYLE.match(log.line(number)), PLACE.match(log.line(number - 1))
    return (
        of_rule("pydocstyle", number, rule, at=where, cites=range(number - 1, number + 1))
        if rule and where
        else None
    )


def of_rule(
    tool: str, number: int, match: re.Match[str], *, at: re.Match[str], cites: range
) -> Finding:
    return Finding(
        kind=Kind.LINT,
        tool=tool,
        line=number,
        error_type="lint",
        message=match["message"],
        file=at["file"],
        rule=match["rule"],
        cites=tuple(cites),
        frames=place(at, at["file"]),
    )
