"""Checkers of code for the JVM: Checkstyle, PMD, SpotBugs, forbidden APIs, ktlint and detekt, alone
and in Maven, Gradle or Ant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = (
    ".java:",
    ".kt:",
    ".kts:",
    ".groovy:",
    "PMD Failure: ",
    ":[line",
    "Forbidden ",
    "Lint error > ",
)
SOURCE = r"(?P<file>(?:[A-Za-z]:)?[^\s:()\[\]]{1,400}\.(?:java|kt|kts|groovy|scala|xml|properties))"
FORMS = (
    (
        "checkstyle",
        re.compile(
            rf"(?:\[[\w:]{{1,20}}\] )?\[ERROR\] {SOURCE}:\[\d{{1,9}}(?:,\d{{1,9}})?\] \([a-z]+\)"
            r" (?P<rule>[A-Z]\w+): (?P<message>.+)$"
        ),
    ),
    (
        "checkstyle",
        re.compile(
            rf"(?:\[[\w:]{{1,20}}\] )?\[ERROR\] {SOURCE}:\d{{1,9}}(?::\d{{1,9}})?: (?P<message>.+)"
            r" \[(?P<rule>[A-Z]\w+)\]$"
        ),
    ),
    (
        "pmd",
        re.compile(
            r"\[\w+\] PMD Failure: (?P<file>[\w.$/-]{1,400}):\d{1,9} Rule:(?P<rule>\w+) Priority:\d"
            r" (?P<message>.+?)\.?$"
        ),
    ),
    (
        "pmd",
        re.compile(rf"(?:\[\w+\] )?{SOURCE}:\d{{1,9}}:\s+(?P<rule>[A-Z]\w+):\s+(?P<message>.+)$"),
    ),
    (
        "spotbugs",
        re.compile(
            r"\[ERROR\] (?:High|Medium|Low): (?P<message>.+) \[[\w.$, ]{1,400}\] (?:[\w ]{0,80})?At"
            r" (?P<file>[\w$]{1,200}\.\w{1,10}):\[lines? [\d-]{1,20}\].* (?P<rule>[A-Z][A-Z0-9_]+)$"
        ),
    ),
    (
        "spotbugs",
        re.compile(
            r"[HML] [A-Z] (?P<rule>[A-Z][A-Z0-9_]+): (?P<message>.+?)\s+At"
            r" (?P<file>[\w$]{1,200}\.\w{1,10}):\[lines? [\d-]{1,20}\]$"
        ),
    ),
    (
        "forbiddenapis",
        re.compile(
            r"(?:\[ERROR\] )?(?P<rule>Forbidden (?:method invocation|class/interface use|field"
            r" access|annotation use|class/interface/annotation use)): (?P<message>.+)(?P<file>)$"
        ),
    ),
    (
        "ktlint",
        re.compile(
            rf"{SOURCE}:\d{{1,9}}:\d{{1,9}}: Lint error > \[(?P<rule>[\w:-]+)\] (?P<message>.+)$"
        ),
    ),
    (
        "ktlint",
        re.compile(
            rf"{SOURCE}:\d{{1,9}}:\d{{1,9}}: (?P<message>[A-Z].+)"
            r" \((?P<rule>(?:[a-z]+:)?[a-z][\w-]+)\)$"
        ),
    ),
    (
        "detekt",
        re.compile(
            rf"(?:e: )?{SOURCE}:\d{{1,9}}:\d{{1,9}}: (?P<message>.+) \[(?P<rule>[A-Z]\w+)\]$"
        ),
    ),
    (
        "detekt",
        re.compile(
            r"\s+(?P<rule>[A-Z]\w+) - (?P<message>\[.{1,300}\]|\S.{0,300}) (?:- \[.{0,200}\]"
            rf" )?at {SOURCE}:\d{{1,9}}:\d{{1,9}}.*$"
        ),
    ),
)


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        text = log.line(number)
        for tool, form in FORMS:
            if match := form.match(text):
                yield Finding(
                    kind=Kind.LINT,
                    tool=tool,
                    line=number,
                    error_type="lint",
                    message=match["message"],
                    file=match["file"],
                    rule=match["rule"],
                )
                break
