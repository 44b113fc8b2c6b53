"""Linters and type checkers of Ruby: RuboCop and standardrb, reek, erb-lint, slim-lint, haml-lint,
brakeman, Sorbet. Sources: their text reporters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import PATH, Form, stated
from cihealing.reading.found import Finding, Saying
from cihealing.reading.log import Log

LINES = (
    ".rb:",
    ".rb  ",
    ".rb\t",
    ".rake:",
    "Gemfile:",
    "Rakefile:",
    ".gemspec:",
    ".ru:",
    ".erb:",
    ".slim:",
    ".haml:",
)
HEADS = ("== ",)
MARKS = (*LINES, *HEADS, " [W] ", " [E] ")
FILE = rf"(?P<file>{PATH}(?:\.(?:rb|rake|gemspec|ru|erb|slim|haml)|Gemfile|Rakefile))"
FORMS = (
    Form(
        "rubocop",
        re.compile(
            r"\s{0,4}"
            + FILE
            + r":\d{1,9}:\d{1,6}: (?:[CWEFRI]: )?(?:\[Correctable\] )?(?P<rule>[A-Z]\w+(?:/\w+)+):"
            r" (?P<message>.+)$"
        ),
    ),
    Form(
        "sorbet",
        re.compile(FILE + r":\d{1,9}: (?P<message>.+?) https?://srb\.help/(?P<rule>\d{4})$"),
        "types",
    ),
    Form(
        "reek",
        re.compile(
            r"\s{1,4}" + FILE + r":\d[\d, ]{0,80}: (?P<rule>[A-Z][a-z]+[A-Z]\w+): (?P<message>.+)$"
        ),
    ),
    Form(
        "erb-lint",
        re.compile(r"(?P<file>\S{1,300}\.erb):\d{1,9}(?::\d{1,6})?: (?P<message>[A-Z].+)$"),
    ),
    Form("fasterer", re.compile(FILE + r":\d{1,9} (?P<message>.+ is slower than .+)$")),
    Form(
        "brakeman",
        re.compile(
            FILE
            + r"(?:\t| {2,})\d{1,9}(?:\t| {2,})(?P<rule>[A-Z][\w -]{2,60}?)(?:\t| {2,}| General"
            r" )(?P<message>.+)$"
        ),
    ),
)
LETTERED = (
    Form(
        "slim-lint",
        re.compile(
            r"(?P<file>\S{1,300}\.(?:slim|haml)):\d{1,9} \[[WE]\] (?:(?P<rule>[A-Z][\w/]+):"
            r" )?(?P<message>.+)$"
        ),
    ),
)
SIMPLE = Form(
    "rubocop",
    re.compile(
        r"[CWEF]:\s{1,4}(?P<line>\d{1,9}):\s{1,4}\d{1,6}: (?:\[Correctable\]"
        r" )?(?P<rule>[A-Z]\w+(?:/\w+)+): (?P<message>.+)$"
    ),
)
NO_ROW = re.compile(r"(?![A-Z]:\s{1,4}\d)")
HEADING = re.compile(r"== (?P<file>\S{1,300}) ==$")
PASSED = Saying(
    ("no offenses detected",), re.compile(r"\d+ files? inspected, no offenses detected")
)
FAILED = Saying((" detected",), re.compile(r"\d+ files? inspected, \d+ offenses? detected"))


def parse(log: Log) -> Iterator[Finding]:
    yield from stated(log, FORMS, LINES)
    yield from stated(log, LETTERED, (" [W] ", " [E] "))
    yield from (
        found
        for n in log.having(*HEADS)
        if (head := HEADING.match(log.line(n)))
        for found in simple(log, n, head["file"])
    )


def simple(log: Log, number: int, file: str) -> Iterator[Finding]:
    """RuboCop's simple format names a file in a heading, its faults stand right below."""
    for n in log.block(number + 1, until=NO_ROW, limit=500):
        if found := SIMPLE.finding(log.line(n), n, file=file):
            yield found
