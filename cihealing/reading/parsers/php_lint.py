"""Linters and type checkers of PHP: PHP_CodeSniffer, PHPStan, Psalm, PHP CS Fixer, `php -l`.
Sources: their table, raw and text reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import PATH, Form, place, stated, under_headings
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

LINES = (".php:", ".php (", ".php on line ", "ERROR: ")
SNIFFED = (" | ERROR ",)
TABLE = ("Line   ",)
MARKS = (*LINES, *SNIFFED, *TABLE)
FILE = rf"(?P<file>{PATH}\.(?:php|phtml|inc|phpt))"
FORMS = (
    Form(
        "phpcs",
        re.compile(FILE + r":\d{1,9}:\d{1,6}: error - (?P<message>.+?)(?: \((?P<rule>[\w.]+)\))?$"),
    ),
    Form(
        "psalm",
        re.compile(
            r"ERROR: (?P<rule>[A-Z]\w{2,60}) - " + FILE + r":\d{1,9}:\d{1,6} - (?P<message>.+)$"
        ),
        "types",
    ),
    Form("phpstan", re.compile(FILE + r":\d{1,9}:(?P<message>[A-Z].+)$"), "types"),
    Form(
        "php-cs-fixer",
        re.compile(r"\s{1,6}\d+\) " + FILE + r" \((?P<rule>[\w, -]{1,300})\)$"),
        says="not formatted",
    ),
    Form(
        "php",
        re.compile(r"(?P<message>(?:PHP )?Parse error: .+) in " + FILE + r" on line \d+$"),
        "syntax",
    ),
)
SNIFF = (
    Form(
        "phpcs",
        re.compile(
            r"\s{1,8}(?P<line>\d{1,9}) \| ERROR\s{1,4}\| (?:\[[x ]\] )?(?P<message>.+?)(?:"
            r" \((?P<rule>[\w.]+)\))?$"
        ),
    ),
)
HEADING = re.compile(r"FILE: (?P<file>\S{1,300})$")
TABLE_HEAD = re.compile(
    r"\s{1,4}Line\s{2,4}(?P<file>\S{1,300}\.\w{2,5})(?: \(in context of .{1,200}\))?$"
)
TABLE_END = re.compile(r"\s*-{4,}|\s+Line\s")
ROW = re.compile(r"\s{1,4}:?(?P<line>\d{1,9})\s{2,8}(?P<message>\S.*)$")
PASSED = Saying(
    ("[OK] No errors", "No errors found!"), re.compile(r"\s*(?:\[OK\] No errors|No errors found!)")
)
FAILED = Saying(("[ERROR] Found ",), re.compile(r"\s*\[ERROR\] Found \d+ errors?"))


def parse(log: Log) -> Iterator[Finding]:
    yield from stated(log, FORMS, LINES)
    yield from under_headings(log, SNIFF, SNIFFED, HEADING)
    yield from (found for n in log.having(*TABLE) for found in phpstan(log, n))


def phpstan(log: Log, number: int) -> Iterator[Finding]:
    """PHPStan's table: a head with the file, rows with line and message, each row followed by the
    rule's identifier and tips.
    """
    if not (head := TABLE_HEAD.match(log.line(number))):
        return
    for n in log.block(number + 2, until=TABLE_END, limit=200):
        if row := ROW.match(log.line(n)):
            yield Finding(
                kind=Kind.LINT,
                tool="phpstan",
                line=n,
                error_type="types",
                message=row["message"].strip(),
                file=head["file"],
                frames=place(row, head["file"]),
            )
