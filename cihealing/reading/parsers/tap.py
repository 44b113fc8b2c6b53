"""TAP streams and what reads them: node:test, tap, tape, mocha's and ava's TAP reporters, bats,
prove, kselftest. Source: TAP 12 to 14, Test::More, bats-core.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log
from cihealing.reading.thrown import ERROR

MARKS = ("not ok ", "Bail out!", "Failed test '", "(in test file ")
NOT_OK = re.compile(r"(?P<indent>\s{0,32})not ok \d{1,7}(?: -)? (?P<name>\S.*?)(?P<open> \{)?$")
TIME = re.compile(r"\s+# (?:time=|duration_ms )[\d.]+\w*$| in \d+ms$")
ALLOWED = re.compile(r"(?i)(?:^|.* )# (?:todo|skip)")
NEXT = re.compile(
    r"\s{0,32}(?:(?:not )?ok \d|# Subtest: |\d+\.\.\d+|Bail out!)|# (?!\s*(?:\(in test file|at"
    r" |got|expected|`|Failed test))"
)
WHY = re.compile(r"\s+(?:error|message): (?P<text>['\"]?\S.*)$")
NAMED = re.compile(r"\s+name: ['\"]?(?P<type>\w{1,80}Error)['\"]?$")
PERL = re.compile(r"\s{0,32}#\s{1,4}Failed test '(?P<name>.+)'$")
BATS = re.compile(r"\s?✗ (?P<name>\S.*?)(?: \[\d+\])?$")
IN_FILE = re.compile(r"(?:#\s)?\s{0,4}\(in test file .+, line \d+\)$")
FILE = re.compile(r"\S+\.\w{1,4}$")

PASSED = Saying(
    ("All tests successful.", "Result: PASS", "# fail"),
    re.compile(r"(?:All tests successful\.|Result: PASS|# fail +0)$"),
)
FAILED = Saying(("Result: FAIL", "# fail"), re.compile(r"Result: FAIL$|# fail +[1-9]"))


def parse(log: Log) -> Iterator[Finding]:
    named: dict[str, Finding] = {}
    for finding in (*leaves(log), *perl(log), *bats(log)):
        named.setdefault(finding.test, finding)
    yield from named.values()
    for number in log.having("Bail out!"):
        if log.line(number).startswith("Bail out!"):
            yield Finding(
                kind=Kind.ERROR,
                tool="tap",
                line=number,
                error_type="BailOut",
                message=log.line(number)[9:].strip(),
                weight=79,
            )


def leaves(log: Log) -> Iterator[Finding]:
    """Failed tests without those that only failed because a test in them did, which lend it their
    name.

    A parent stands below its children, or (a buffered subtest, in braces) above them.
    """
    waiting: list[tuple[int, Finding]] = []
    parents: list[tuple[int, str]] = []
    for number in log.having("not ok "):
        match = NOT_OK.match(log.line(number))
        if match is None or ALLOWED.match(match["name"]):
            continue
        depth, name = len(match["indent"].expandtabs(4)), TIME.sub("", match["name"])
        parents = [(deep, parent) for deep, parent in parents if deep < depth]
        at = len(waiting)
        while at and waiting[at - 1][0] > depth:
            at -= 1
        children = [finding for _, finding in waiting[at:]]
        if match["open"] or braced(log, number):
            parents.append((depth, name))
        elif children:
            waiting[at:] = [(depth, nested(name, child)) for child in children]
        else:
            waiting.append((depth, failed(log, number, within(parents, name))))
        if depth == 0:
            yield from (finding for _, finding in waiting)
            waiting = []
    yield from (finding for _, finding in waiting)


def braced(log: Log, number: int) -> bool:
    """Older taps open the brace below the diagnosis."""
    return any(log.line(n).strip() == "{" for n in log.block(number + 1, until=NEXT, limit=40))


def within(parents: list[tuple[int, str]], name: str) -> str:
    return " > ".join([*(parent for _, parent in parents if not FILE.match(parent)), name])


def nested(name: str, finding: Finding) -> Finding:
    return finding if FILE.match(name) else replace(finding, test=f"{name} > {finding.test}")


def failed(log: Log, number: int, name: str) -> Finding:
    """The diagnosis stands below: a YAML block, comments, or plain indented text."""
    below = [
        n
        for n in log.block(number + 1, until=NEXT, limit=30)
        if log.line(n).strip(" #") not in ("", "---", "...")
    ]
    errors = [n for n in below if ERROR.match(log.line(n))]
    said = [n for n in below if WHY.match(log.line(n))]
    root = next(iter([*said[:1], *errors[:1]]), number)
    error = ERROR.match(log.line(errors[0])) if errors else None
    named = next((match["type"] for n in below if (match := NAMED.match(log.line(n)))), "")
    why = WHY.match(log.line(root))
    message = why["text"].strip("'\"|- ") if why else error["message"] or "" if error else ""
    if why and not message and root + 1 in below:
        root, message = root + 1, log.line(root + 1).strip()
    return Finding(
        kind=Kind.TEST,
        tool="tap",
        line=root,
        error_type=named or (error["type"] if error else "TestFailed"),
        message=message,
        test=name,
        cites=tuple(sorted({number, root, *below[:15]})),
    )


def perl(log: Log) -> Iterator[Finding]:
    """Test::More says on stderr what failed; prove shows nothing else."""
    for number in log.having("Failed test '"):
        if match := PERL.match(log.line(number)):
            lines = log.block(
                number + 1, until=re.compile(r"(?!\s{0,32}#\s{2,})|.*Failed test "), limit=12
            )
            said = next((log.line(n).strip(" #") for n in lines if "#     " in log.line(n)), "")
            yield Finding(
                kind=Kind.TEST,
                tool="tap",
                line=number,
                error_type="TestFailed",
                message=said,
                test=match["name"],
                cites=(number, *lines),
            )


def bats(log: Log) -> Iterator[Finding]:
    """bats' pretty form: a cross and the name above the place."""
    for number in log.having("(in test file "):
        match = BATS.match(log.line(number - 1)) if IN_FILE.match(log.line(number)) else None
        if match:
            yield Finding(
                kind=Kind.TEST,
                tool="bats",
                line=number + 1,
                error_type="TestFailed",
                message=log.line(number + 1).strip(),
                test=match["name"],
                cites=(number - 1, number, number + 1),
            )
