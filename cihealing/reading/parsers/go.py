"""go test, build, vet, golangci-lint, gotestsum: `--- FAIL:` with sub-tests, failed packages,
panics, races, compile and module errors. Source: cmd/go, package testing.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

MARKS = (
    "--- FAIL: ",
    "FAIL\t",
    "FAIL  ",
    ".go:",
    "panic: ",
    "WARNING: DATA RACE",
    "=== FAIL: ",
    "=== RUN   ",
    "=== CONT  ",
    "=== NAME  ",
    "go: ",
    "fatal error: ",
)
TEST = re.compile(r"(?P<indent>\s*)--- FAIL: (?P<name>\S+)")
SUMMED = re.compile(r"=== FAIL: (?P<package>\S+) (?P<name>\S+)? ?(?:\(re-run \d+\) )?\([\d.]+s\)$")
PACKAGE = re.compile(
    r"FAIL(?:\t| +)(?P<package>[\w./~@-]+)(?:\t| )(?P<how>\[[\w ]+\]|[\d.]+s|\(cached\))"
)
COMPILE = re.compile(
    r"(?:vet: )?(?P<file>(?:\.{0,2}/)?[\w./-]{1,300}\.go):\d{1,9}:\d{1,9}: (?P<message>.+)$"
)
SAID = re.compile(r"\s+(?:\S+: )?[\w./-]{1,200}\.go:\d+:(?: |$)(?P<message>.*)$")
PANIC = re.compile(r"(?:panic|fatal error): (?P<message>.+?)(?: \[recovered\])?$")
OF_TEST = re.compile(
    r"\s?(?:created by"
    r" )?(?:\S{1,300}[./])?(?P<test>(?:Test|Fuzz|Benchmark"
    r"|Example)\w{0,200})(?:\.func[\d.]{1,20})?(?:\(|"
    r" \([\d.]+m?s\)$|$)"
)
"""A frame in a test, or an entry of `running tests:`."""
FAILURE = re.compile(
    r"(?i)\b(?:want|wanted|expected|got|errors?|fail|failed|unexpected|mismatch|cannot|panic|should|race"
    r" detected|invalid|not)\b|!="
)
TESTIFY = re.compile(r"\s+Error:\s+(?P<message>\S.*)$")
BEGUN = re.compile(r"=== (?:RUN|CONT|NAME) {2,3}(?P<name>\S+)$")
TALKS = re.compile(
    r"go: (?!downloading |finding |extracting |found |added |upgraded |downgraded |removed"
    r" |creating |to add |warning|trying |copying |writing )(?P<message>\S.+)$"
)
RACE = "race detected during execution of test"
LINTER = re.compile(r"\((?P<rule>[a-zA-Z][\w-]+)\)$")
UNINDENTED = re.compile(r"\S|$")

FAILED = Saying(
    ("FAIL\t", "DONE "),
    re.compile(r"FAIL\t\S|DONE \d+ tests?(?:, \d+ skipped)?, [1-9]\d* (?:failures?|errors?)"),
)
PASSED = Saying(("DONE ",), re.compile(r"DONE \d+ tests?(?:, \d+ skipped)? in [\d.]+m?s?"))


class Landmarks:
    """Numbers of the lines that part a go test log, ascending, so that what stands next to a line
    is found by bisection.
    """

    def __init__(self, log: Log) -> None:
        self.tests = [n for n in log.having("--- FAIL: ") if TEST.match(log.line(n))]
        self.packages = [n for n in log.having("FAIL\t", "FAIL  ") if PACKAGE.match(log.line(n))]
        self.panics = [
            n for n in log.having("panic: ", "fatal error: ") if PANIC.match(log.line(n))
        ]
        self.races = log.having("WARNING: DATA RACE")
        self.begun: dict[str, int] = {}
        for number in log.having("=== RUN   ", "=== CONT  ", "=== NAME  "):
            if (match := BEGUN.match(log.line(number))) and SAID.match(log.line(number + 1)):
                self.begun[match["name"]] = number


def after(numbers: list[int], number: int) -> int:
    """The first of `numbers` beyond a line; 0 where there is none."""
    at = bisect_right(numbers, number)
    return numbers[at] if at < len(numbers) else 0


def before(numbers: list[int], number: int) -> int:
    at = bisect_left(numbers, number)
    return numbers[at - 1] if at else 0


def parse(log: Log) -> Iterator[Finding]:
    marks = Landmarks(log)
    yield from (test_failed(log, n, marks) for n in marks.tests if not repeated(log, n))
    # a package whose tests are named needs no finding of its own
    yield from (
        package_failed(log, n, marks)
        for n in marks.packages
        if before(marks.tests, n) <= before(marks.packages, n)
    )
    yield from summed(log, marks)
    yield from compile_errors(log)
    for number in log.having("go: "):
        if match := TALKS.match(log.line(number)):
            yield Finding(
                kind=Kind.ERROR,
                tool="go",
                line=number,
                error_type="module",
                message=match["message"],
                weight=66,
            )


def repeated(log: Log, number: int) -> bool:
    """Whether the next line says the same of the same test: a fuzz test stands above its failing
    input.
    """
    test, below = TEST.match(log.line(number)), TEST.match(log.line(number + 1))
    return bool(test and below and test["name"] == below["name"])


def test_failed(log: Log, number: int, marks: Landmarks) -> Finding:
    package = PACKAGE.match(log.line(after(marks.packages, number)))
    test = TEST.match(log.line(number))
    name = test["name"] if test else ""
    said = find_output(log, number, name, marks)
    panic = after(marks.panics, number) if 0 < after(marks.panics, number) < number + 5 else 0
    root, text = (panic, said_on(log, panic)) if panic else best(log, said, number)
    race = before(marks.races, number) if text.startswith(RACE) else 0
    stack = (
        stack_of(log, panic)
        if panic
        else log.block(race, until=re.compile(r"Goroutine |=+$"), limit=12)
        if race
        else range(0)
    )
    return Finding(
        kind=Kind.TEST,
        tool="go",
        line=race or root,
        error_type="panic" if panic else "DataRace" if race else "TestFailed",
        message=text,
        test=f"{package['package']}.{name}" if package else name,
        cites=tuple(sorted({number, root, *said[:8], *stack})),
    )


def said_on(log: Log, number: int) -> str:
    match = SAID.match(log.line(number)) or PANIC.match(log.line(number))
    return match["message"] if match else ""


def best(log: Log, said: list[int], number: int) -> tuple[int, str]:
    """What failed a test, of all that it said: a log looks like an error, so words decide, then the
    last place. testify states it some lines below.
    """
    root = next((n for n in said if FAILURE.search(said_on(log, n))), said[-1] if said else number)
    if not said_on(log, root):
        for n in log.block(root + 1, until=SAID, limit=12) if said else ():
            if match := TESTIFY.match(log.line(n)):
                return n, " ".join(
                    [
                        match["message"],
                        *(
                            log.line(k).strip()
                            for k in (n + 1, n + 2)
                            if ": " in log.line(k) and "Test:" not in log.line(k)
                        ),
                    ]
                )
    return root, said_on(log, root)


def stack_of(log: Log, panic: int) -> range:
    """The stack of the goroutine that panicked."""
    start = next(
        (n for n in range(panic + 1, panic + 8) if log.line(n).startswith("goroutine ")), panic
    )
    return log.block(start, until=re.compile(r"$|FAIL\s"), limit=30)


def find_output(log: Log, number: int, name: str, marks: Landmarks) -> list[int]:
    """What a test said: next to its verdict or, with -v, below the line that begins it."""
    lines = [n for n in nearby(log, number) if SAID.match(log.line(n))]
    begun = marks.begun.get(name, 0)
    return lines or (
        [n for n in log.block(begun + 1, until=UNINDENTED, limit=40) if SAID.match(log.line(n))]
        if begun
        else []
    )


def nearby(log: Log, number: int) -> Iterator[int]:
    """Lines a test printed: after its verdict, or (with -v) before it."""
    depth = len(log.line(number)) - len(log.line(number).lstrip())
    for n in range(number + 1, min(number + 40, len(log) + 1)):
        text = log.line(n)
        if not text.startswith(" " * (depth + 4)) or "--- " in text:
            break
        yield n
    for n in range(number - 1, max(0, number - 40), -1):
        text = log.line(n)
        if not text.startswith((" ", "\t")) or "--- " in text:
            break
        yield n


def test_in(log: Log, lines: range) -> str:
    """The first test that a trace names."""
    return next((m["test"] for n in lines if (m := OF_TEST.match(log.line(n)))), "")


def package_failed(log: Log, number: int, marks: Landmarks) -> Finding:
    """A package that failed without a verdict on any test: it was not built, or it ran and died,
    and then its own line is the verdict.

    The test that a panic's trace names may only have begun what panicked.
    """
    match = PACKAGE.match(log.line(number))
    how, package = (match["how"], match["package"]) if match else ("", "")
    panic = after(marks.panics, before(marks.packages, number))
    panic = panic if panic < number else 0
    if "build" in how or "setup" in how:
        return Finding(
            kind=Kind.ERROR,
            tool="go",
            line=number,
            error_type="compile",
            message=f"{package} {how}",
            weight=60,
        )
    message = PANIC.match(log.line(panic))
    text = message["message"] if message else package
    test = test_in(log, range(panic + 1, min(number, panic + 3000))) if panic else ""
    return Finding(
        kind=Kind.TEST,
        tool="go",
        line=panic or number,
        error_type="panic" if panic else "TestFailed",
        message=f"{text} (in {test})" if test else text,
        test=package,
        cites=tuple(sorted({panic or number, number, *(stack_of(log, panic) if panic else ())})),
    )


def summed(log: Log, marks: Landmarks) -> Iterator[Finding]:
    """gotestsum's list of failures, where it is all there is of a test."""
    known = {match["name"] for n in marks.tests if (match := TEST.match(log.line(n)))}
    for number in log.having("=== FAIL: "):
        match = SUMMED.match(log.line(number))
        if match and match["name"] and match["name"] not in known:
            lines = log.block(number + 1, until=re.compile(r"===|DONE |$"), limit=40)
            root = next(
                (n for n in lines if SAID.match(log.line(n)) or PANIC.match(log.line(n))), number
            )
            said = SAID.match(log.line(root)) or PANIC.match(log.line(root))
            yield Finding(
                kind=Kind.TEST,
                tool="go",
                line=root,
                error_type="panic" if PANIC.match(log.line(root)) else "TestFailed",
                message=said["message"] if said else "",
                test=f"{match['package']}.{match['name']}",
                cites=(number, *lines),
            )


def compile_errors(log: Log) -> Iterator[Finding]:
    for number in log.having(".go:"):
        match = COMPILE.match(log.line(number))
        if match and not match["message"].startswith("warning"):
            rule = LINTER.search(match["message"])
            kind = Kind.LINT if rule else Kind.COMPILE
            yield Finding(
                kind=kind,
                tool="go",
                line=number,
                error_type="lint" if rule else "compile",
                message=match["message"],
                file=match["file"],
                rule=rule["rule"] if rule else "",
            )
