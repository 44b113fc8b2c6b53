"""karma (`Browser 1.2 (System) suite test FAILED`) and jasmine in node (`1) suite test`,
`Message:`). Source: karma's base reporter, jasmine's console reporter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.thrown import cited, thrown, written

MARKS = (" FAILED", ") ERROR", " Message:", "FAILED TESTS:", "[launcher]:")
BROWSER = r"(?P<browser>[A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+){0,2} [\d.]+ \([^()\n]{1,60}\))"
TEST = re.compile(rf"{BROWSER} (?P<name>(?!SUCCESS|LOG|WARN|INFO|DEBUG|ERROR|:).{{1,800}}) FAILED$")
IN_BROWSER = re.compile(rf"\s+{BROWSER}$")
CRASH = re.compile(rf"{BROWSER} ERROR$")
LEFT = re.compile(
    r"(?:\S+ )?.{0,60}\[launcher\]: (?P<message>Cannot start .+|.+ failed \d+ times \(.+\)\. Giving"
    r" up\.)$"
)
UNINDENTED = re.compile(r"\S")
JASMINE = re.compile(r"\s{0,4}\d+\) (?P<name>\S.*)$")
CROSS = re.compile(r"(?P<indent>\s+)✖ (?P<name>\S.*)$")
MAX_LISTED = 20_000
JASMINE_END = re.compile(r"\s{2,3}Stack(?:trace)?:|\s{0,4}\d+\) |Pending:|\d+ specs?,")

PASSED = Saying(
    ("TOTAL: ", "Executed ", " specs, "),
    re.compile(
        r"TOTAL: \d+ SUCCESS$|.{1,80}: Executed \d+ of \d+ SUCCESS|\d+ specs?, 0 failures(?!.*\d+"
        r" error)"
    ),
)
FAILED = Saying(
    ("TOTAL: ", "Executed ", " specs, "),
    re.compile(
        r"TOTAL: [1-9]\d* FAILED|.{1,80}: Executed \d+ of \d+ .{0,40}\(\d+ FAILED\)|\d+ specs?,"
        r" [1-9]\d* failures?"
    ),
)


def parse(log: Log) -> Iterator[Finding]:
    seen: set[str] = set()
    for number in log.having(" FAILED"):
        match = TEST.match(log.line(number))
        if match and match[0] not in seen:
            seen.add(match[0])
            yield failed(log, number, match["name"])
    yield from (crash(log, n) for n in log.having(") ERROR") if CRASH.match(log.line(n)))
    yield from (found for n in log.having("[launcher]:") if (found := launcher(log, n)))
    yield from (
        finding
        for n in log.having("FAILED TESTS:")
        if log.line(n) == "FAILED TESTS:"
        for finding in listed(log, n)
    )
    yield from (found for n in log.having(" Message:") if (found := jasmine(log, n)))


def failed(log: Log, number: int, test: str) -> Finding:
    below = written(log, log.block(number + 1, until=UNINDENTED, limit=30))
    root = below[0] if below else number
    error_type, message = thrown(log.line(root)) if below else ("Error", "")
    return Finding(
        kind=Kind.TEST,
        tool="karma",
        line=root,
        error_type=error_type,
        message=message,
        test=test,
        cites=cited(number, below=below),
    )


def listed(log: Log, start: int) -> Iterator[Finding]:
    """The mocha reporter's tree of suites and failed tests; a test's message ends at an empty
    line.
    """
    titles: list[tuple[int, str]] = []
    message = False
    for number in range(start + 1, min(start + MAX_LISTED, len(log) + 1)):
        text = log.line(number)
        depth = len(text) - len(text.lstrip())
        if not text:
            message = False
        elif not depth:
            return
        elif match := CROSS.match(text):
            yield in_tree(
                log,
                number,
                " ".join([*(title for deep, title in titles if deep < depth), match["name"]]),
            )
            message = True
        elif not message:
            titles = [
                *((deep, title) for deep, title in titles if deep < depth),
                (depth, text.strip()),
            ]


def in_tree(log: Log, number: int, test: str) -> Finding:
    below = [
        n
        for n in log.block(number + 1, until=re.compile(r"$"), limit=30)
        if not IN_BROWSER.match(log.line(n))
    ]
    root = below[0] if below else number
    error_type, message = thrown(log.line(root)) if below else ("Error", "")
    return Finding(
        kind=Kind.TEST,
        tool="karma",
        line=root,
        error_type=error_type,
        message=message,
        test=test,
        cites=cited(number, below=below),
    )


def crash(log: Log, number: int) -> Finding:
    """A script that could not run in the browser: no test was begun."""
    below = written(log, log.block(number + 1, until=UNINDENTED, limit=30))
    root = below[0] if below else number
    error_type, message = thrown(log.line(root))
    return Finding(
        kind=Kind.ERROR,
        tool="karma",
        line=root,
        error_type=error_type,
        message=message,
        cites=cited(number, below=below),
        weight=79,
    )


def launcher(log: Log, number: int) -> Finding | None:
    match = LEFT.match(log.line(number))
    return (
        Finding(
            kind=Kind.ERROR,
            tool="karma",
            line=number,
            error_type="browser",
            message=match["message"],
            weight=70,
        )
        if match
        else None
    )


def jasmine(log: Log, number: int) -> Finding | None:
    match = JASMINE.match(log.line(number - 1))
    if match is None or log.line(number).strip() != "Message:":
        return None
    below = written(log, log.block(number + 1, until=JASMINE_END, limit=20))
    stack = [
        n
        for n in log.block(number + 1, until=JASMINE, limit=30)
        if log.line(n).lstrip().startswith("at ")
    ]
    root = below[0] if below else number
    error_type, message = thrown(log.line(root))
    return Finding(
        kind=Kind.TEST,
        tool="jasmine",
        line=root,
        error_type=error_type,
        message=message,
        test=match["name"],
        cites=cited(number - 1, below=[*below, *stack]),
    )
