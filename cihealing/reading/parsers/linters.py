"""Linters, formatters and type checkers: ruff, flake8, pycodestyle, pylint, black, isort, mypy, pyright, eslint, stylelint, prettier, tsc, rubocop, yamllint,
shellcheck, golangci-lint's siblings, and whatever else writes `file:line:col: RULE message`."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = (":", "(", "reformat")
FILE = r"(?P<file>[^\s:()\[\]]{1,300}\.[A-Za-z]{1,6})"
FORMS = (
    ("pylint", "lint", re.compile(FILE + r":\d{1,9}:\d{1,6}: (?P<rule>[CRWEF]\d{4}): (?P<message>.+)$")),
    ("flake8", "lint", re.compile(FILE + r":\d{1,9}:(?:\d{1,6}:)? (?P<rule>[A-Z]{1,4}\d{2,4}) (?:\[\*\] )?(?P<message>.+)$")),
    ("mypy", "types", re.compile(r"(?P<file>[^\s:()\[\]]{1,300}\.pyi?):\d{1,9}:(?:\d{1,6}:)? error: (?P<message>.+?)(?:\s{2}\[(?P<rule>[\w-]+)\])?$")),
    ("pyright", "types", re.compile(r"\s*(?P<file>[^\s:()]{1,300}\.pyi?):\d{1,9}:\d{1,6} - error: (?P<message>.+?)(?: \((?P<rule>report\w+)\))?$")),
    ("tsc", "types", re.compile(r"(?P<file>[^\s:()]{1,300}\.[cm]?[jt]sx?)(?:\(\d+,\d+\):|:\d+:\d+ -) error (?P<rule>TS\d+): (?P<message>.+)$")),
    ("rubocop", "lint", re.compile(r"\s*" + FILE + r":\d{1,9}:\d{1,6}: (?:[CWEFR]: (?:\[Correctable\] )?)?(?P<rule>[A-Z]\w+/[\w/]+): (?P<message>.+)$")),
    ("yamllint", "lint", re.compile(FILE + r":\d{1,9}:\d{1,6}: \[error\] (?P<message>.+?)(?: \((?P<rule>[\w-]+)\))?$")),
    ("unix", "lint", re.compile(FILE + r":\d{1,9}:\d{1,6}: (?:error: )?(?P<message>.+?) (?:\[(?:Error/)?(?P<rule>[\w@/-]+)\]|\((?P<rule2>[A-Z]{1,3}\d{4}|[\w-]+)\))$")),
    ("isort", "lint", re.compile(r"ERROR: (?P<file>\S{1,400}) (?P<message>Imports are incorrectly sorted.*)$")),
    ("black", "lint", re.compile(r"(?P<message>would reformat|Would reformat:|error: cannot format) (?P<file>\S{1,400})$")),
    ("prettier", "lint", re.compile(r"\[(?:warn|error)\] (?P<file>[\w./@-]{1,300}\.\w{1,6})(?P<message>)$")),
)  # fmt: skip
RUFF = re.compile(r"(?P<rule>[A-Z]{1,4}\d{3,4}|invalid-syntax|unformatted|[a-z]+(?:-[a-z]+)+)(?::| \[\*\]|(?= )) ?(?P<message>.*)$")
ARROW = re.compile(r"\s*--> (?P<file>[^\s:]{1,400})(?::\d+:\d+)?$")
ESLINT = re.compile(r"\s+\d+:\d+\s{1,6}(?:error|✖)\s{1,6}(?P<message>\S.*?)(?:\s{2,}(?P<rule>[@\w/-]+))?$")
ESLINT_FILE = re.compile(r"(?:/|\w:\\|\w)\S*\.\w{1,6}$")
MAX_FINDINGS = 2000


def parse(log: Log) -> Iterator[Finding]:
    yield from ruff(log)
    yield from eslint(log)
    needles = (
        ": error",
        "- error ",
        "): error ",
        ": [error]",
        "would reformat ",
        "Would reformat: ",
        "cannot format ",
        "Imports are incorrectly",
        "[warn] ",
        "[error] ",
    )
    numbers = {*log.having(*needles), *log.having(*CODES)}
    for number in sorted(numbers)[-MAX_FINDINGS:]:
        if found := one(log.line(number), number):
            yield found


CODES = (*(f": {letter}" for letter in "ABCDEFGHIJKLNPRSTUWY"), ".py:", ".rb:", ".js:", ".ts:")


def one(text: str, number: int) -> Finding | None:
    for tool, error_type, form in FORMS:
        if match := form.match(text):
            named = match.groupdict()
            return Finding(
                kind=Kind.LINT,
                tool=tool,
                line=number,
                error_type=error_type,
                message=match["message"],
                file=match["file"],
                rule=named.get("rule") or named.get("rule2") or "",
            )
    return None


def ruff(log: Log) -> Iterator[Finding]:
    """ruff's full format: the rule's line, then an arrow to the place and the code."""
    for number in log.having("--> "):
        arrow, above = ARROW.match(log.line(number)), RUFF.match(log.line(number - 1))
        if arrow and above and not log.line(number - 1).startswith(("error", "warning")):
            stop = log.block(number, until=re.compile(r"\s*$|help: "), limit=12).stop
            yield Finding(
                kind=Kind.LINT, tool="ruff", line=number - 1, error_type="lint", message=above["message"], file=arrow["file"], rule=above["rule"],
                cites=tuple(range(number - 1, stop)),
            )  # fmt: skip


def eslint(log: Log) -> Iterator[Finding]:
    file = ""
    for number in log.having("  error  ", " error ", "✖"):
        match = ESLINT.match(log.line(number))
        if not match:
            continue
        above = next(
            (log.line(n).strip() for n in range(number - 1, max(0, number - 200), -1) if not log.line(n).startswith((" ", "\t"))), ""
        )
        file = above if ESLINT_FILE.match(above) else file
        if file:
            yield Finding(
                kind=Kind.LINT, tool="eslint", line=number, error_type="lint", message=match["message"], file=file, rule=match["rule"] or ""
            )
