"""PHP's checkers: PHPStan, Psalm, PHP_CodeSniffer, PHP-CS-Fixer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("FILE: ", " ERROR | ", "  Line   ", "ERROR: ", ".php:", ".php (", " --- begin diff")
FILE = re.compile(r"FILE: (?P<file>\S.*)$")
SNIFF = re.compile(r"\s{0,6}\d{1,9} \| ERROR\s{1,3}\| (?:\[[x ]\] )?(?P<message>\S.*?)(?: \((?P<rule>\w+(?:\.\w+){2,4})\))?$")
TABLE = re.compile(r"\s{2}Line\s{3,}(?P<file>\S.*?)(?: \(in context of .*\))?$")
ROW = re.compile(r"\s{2}(?P<line>:?\d{1,9})\s{2,}(?P<message>\S.*)$")
RULE = re.compile(r"\s+🪪\s+(?P<rule>[\w.]+)$")
STAN_RAW = re.compile(r"(?P<file>\S{1,400}\.php):\d{1,9}:(?P<message>[A-Z].+?)(?: \[identifier=(?P<rule>[\w.]+)\])?$")
EMACS = re.compile(r"(?P<file>\S{1,400}\.php):\d{1,9}:\d{1,9}: error - (?P<message>.+?)(?: \((?P<rule>\w+(?:\.\w+){2,4})\))?$")
PSALM = re.compile(r"ERROR: (?P<rule>[A-Z]\w+) - (?P<file>\S{1,400}?):\d{1,9}:\d{1,9} - (?P<message>.+?)(?: \(see \S+\))?$")
FIXER = re.compile(r"\s{0,4}\d{1,6}\) (?P<file>\S{1,400}\.php) \((?P<rule>[a-z][\w, ]+)\)$")
MAX_TABLE = 500


def parse(log: Log) -> Iterator[Finding]:
    yield from sniffs(log)
    yield from tables(log)
    for number in log.having("ERROR: ", ".php:", ".php ("):
        for tool, form in (("psalm", PSALM), ("phpcs", EMACS), ("phpstan", STAN_RAW), ("php-cs-fixer", FIXER)):
            if match := form.match(log.line(number)):
                named = match.groupdict()
                yield lint(tool, number, message=named.get("message") or "would be changed", file=match["file"], rule=match["rule"] or "")
                break


def lint(tool: str, number: int, *, message: str, file: str, rule: str) -> Finding:
    types = tool in ("phpstan", "psalm")
    return Finding(kind=Kind.LINT, tool=tool, line=number, error_type="types" if types else "lint", message=message, file=file, rule=rule)


def sniffs(log: Log) -> Iterator[Finding]:
    file = ""
    for number in log.having("FILE: ", " ERROR | "):
        if named := FILE.match(log.line(number)):
            file = named["file"]
        elif match := SNIFF.match(log.line(number)):
            yield lint("phpcs", number, message=match["message"], file=file, rule=match["rule"] or "")


def tables(log: Log) -> Iterator[Finding]:
    """PHPStan's table: a head with the file's name, rows of line and message, the identifier below each."""
    for head in log.having("  Line   "):
        if table := TABLE.match(log.line(head)):
            for number in log.block(head + 2, until=re.compile(r" -{4,}|\S"), limit=MAX_TABLE):
                if row := ROW.match(log.line(number)):
                    rule = next((r["rule"] for n in range(number + 1, number + 5) if (r := RULE.match(log.line(n)))), "")
                    yield lint("phpstan", number, message=row["message"], file=table["file"], rule=rule)
