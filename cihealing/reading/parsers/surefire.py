"""Maven Surefire and Failsafe, 2.4 to 3.x: JUnit 3, 4, 5 and TestNG as they report them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log
from cihealing.reading.traces import failed

HEADERS = ("Failed tests:", "Tests in error:", "[ERROR] Failures:", "[ERROR] Errors:")
FLAKES = ("Flakes:", "Flaked tests:")
MARKS = ("<<< FAILURE!", "<<< ERROR!", "T E S T S", *HEADERS, *FLAKES)
VERDICT = re.compile(
    r"(?P<name>\S.*?)\s{1,3}(?:-- )?(?:Time elapsed: [\d.,]{1,12} ?s(?:ec)?|\([\d.,]{1,12}"
    r" ?s(?:ec)?\))\s{0,3}<<< (?:FAILURE|ERROR)!"
)
SUITE = re.compile(r"Tests run:.*<<< (?:FAILURE|ERROR)! --? in (?P<suite>\S.*)$")
OLD_NAME = re.compile(r"(?P<test>.+)\((?P<owner>[\w.$]+)\)$")
QUALIFIED = re.compile(r"(?:[a-z_]\w{0,80}\.){1,15}[A-Z]")
LISTED = re.compile(
    r"\s{0,4}(?P<owner>[A-Z][\w$]{0,200})(?:>[A-Z][\w$]{0,200})?\.(?P<test>[a-zA-Z_][\w$]{0,200}(?:\([^)]{0,200}\)|\{[^}]{0,200}\})?(?:\[[^\]]{0,200}\])?)"
    r"(?::\d{1,6}(?:->\S+)?|->\S+|(?= [»?] ))(?: (?P<message>.*))?$"
)
LISTED_OLD = re.compile(
    r"\s{0,4}(?P<test>[a-zA-Z_][^\s(]{0,300})\((?P<owner>[\w.$]{1,300})\)(?:: (?P<message>.*)|)$"
)
MAX_LIST = 2000
MAX_FLAKES = 20
"""Lists that are read; of more, the last ones."""


def parse(log: Log) -> Iterator[Finding]:
    flaky = flakes(log)
    found = [finding for finding in verdicts(log) if not recovered(log, finding, flaky)]
    yield from found or listed(log)


def verdicts(log: Log) -> Iterator[Finding]:
    """One finding a failed test; what a rerun only repeats is left out."""
    suite, seen = "", set[tuple[str, str, str]]()
    for number in log.having("<<< FAILURE!", "<<< ERROR!"):
        text = log.line(number).rpartition("[ERROR] ")[2]
        if about := SUITE.match(text):
            suite = about["suite"]
        match = VERDICT.match(text)
        if not match or text.startswith("Tests run:"):
            continue
        finding = failed(
            log, tool="surefire", at=number, below=number + 1, test=full_name(match["name"], suite)
        )
        said = (finding.test, finding.error_type, finding.message)
        if said not in seen:
            seen.add(said)
            yield finding


def full_name(name: str, suite: str) -> str:
    """`test(Class)`, `Class.test(Class)`, `package.Class.test` and, of Surefire 2.22 with JUnit 5,
    the method alone.
    """
    old = OLD_NAME.match(name)
    if old and old["test"].startswith(f"{old['owner']}."):
        return old["test"]
    if old and not QUALIFIED.match(old["test"]) and ("." in old["owner"] or not suite):
        return f"{old['owner']}.{old['test']}"
    if not suite or name.startswith(suite) or QUALIFIED.match(name):
        return name
    return f"{suite}.{name}"


def flakes(log: Log) -> list[tuple[int, frozenset[str]]]:
    """Where a list of flaky tests stands (they failed and then passed), and the names in it."""
    return [
        (n, frozenset(flaky_names(log, n)))
        for n in log.having(*FLAKES)[-MAX_FLAKES:]
        if log.line(n).removeprefix("[WARNING] ").strip() in FLAKES
    ]


def flaky_names(log: Log, header: int) -> Iterator[str]:
    for n in range(header + 1, min(header + MAX_LIST, len(log) + 1)):
        text = log.line(n).removeprefix("[WARNING] ")
        if "Tests run:" in text or text.strip() in FLAKES:
            return
        if text[:1].strip() and not text.startswith("["):
            yield full_name(text.strip(), "")


def recovered(log: Log, finding: Finding, flaky: Sequence[tuple[int, frozenset[str]]]) -> bool:
    """Whether the same run of Surefire lists the test as flaky."""
    header, names = next(
        ((n, names) for n, names in flaky if n > finding.line), (0, frozenset[str]())
    )
    return finding.test in names and not any(
        finding.line < n < header for n in log.having("T E S T S")
    )


def listed(log: Log) -> Iterator[Finding]:
    """The list at the end, for logs that have no more (`-q`, reports in files)."""
    for header in log.having(*HEADERS):
        first = header_text(log.line(header))
        if first is None:
            continue
        for n in range(header, min(header + MAX_LIST, len(log) + 1)):
            text = first if n == header else log.line(n).removeprefix("[ERROR] ")
            if n > header and (
                "Tests run:" in text
                or header_text(log.line(n)) is not None
                or log.line(n).startswith("[WARNING]")
            ):
                break
            if match := LISTED.match(text) or LISTED_OLD.match(text):
                yield Finding(
                    kind=Kind.TEST,
                    tool="surefire",
                    line=n,
                    error_type="TestFailed",
                    message=match["message"] or "",
                    test=full_name(f"{match['owner']}.{match['test']}", ""),
                )


def header_text(line: str) -> str | None:
    """What stands beside the header of a list; None where the line is none."""
    header = next((h for h in HEADERS if line.startswith(h)), None)
    return line[len(header) :].lstrip() if header else None
