"""go test and go build: `--- FAIL:` with sub-tests, failed packages, panics, compile errors. Source: cmd/go and testing package output."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("--- FAIL: ", "FAIL\t", "FAIL  ", ".go:")
TEST = re.compile(r"(?P<indent>\s*)--- FAIL: (?P<name>\S+)")
PACKAGE = re.compile(r"FAIL(?:\t| +)(?P<package>[\w./~@-]+)(?:\t| )(?P<how>\[[\w ]+\]|[\d.]+s|\(cached\))")
COMPILE = re.compile(r"(?:vet: )?(?P<file>(?:\.{0,2}/)?[\w./-]{1,300}\.go):\d{1,9}:\d{1,9}: (?P<message>.+)$")
SAID = re.compile(r"\s+(?:\S+: )?[\w./-]{1,200}\.go:\d+: (?P<message>.*)$")
PANIC = re.compile(r"panic: (?P<message>.+?)(?: \[recovered\])?$")
LINTER = re.compile(r"\((?P<rule>[a-zA-Z][\w-]+)\)$")


class Landmarks:
    """Numbers of the lines that part a go test log, ascending, so that what stands next to a line is found by bisection."""

    def __init__(self, log: Log) -> None:
        self.tests = [n for n in log.having("--- FAIL: ") if TEST.match(log.line(n))]
        self.packages = [n for n in log.having("FAIL\t", "FAIL  ") if PACKAGE.match(log.line(n))]
        self.panics = [n for n in log.having("panic: ") if PANIC.match(log.line(n))]


def after(numbers: list[int], number: int) -> int:
    """The first of `numbers` beyond a line; 0 where there is none."""
    at = bisect_right(numbers, number)
    return numbers[at] if at < len(numbers) else 0


def before(numbers: list[int], number: int) -> int:
    at = bisect_left(numbers, number)
    return numbers[at - 1] if at else 0


def parse(log: Log) -> Iterator[Finding]:
    marks = Landmarks(log)
    yield from (test_failed(log, n, marks) for n in marks.tests)
    # a package whose tests are named needs no finding of its own
    yield from (package_failed(log, n, marks) for n in marks.packages if before(marks.tests, n) <= before(marks.packages, n))
    yield from compile_errors(log)


def test_failed(log: Log, number: int, marks: Landmarks) -> Finding:
    package = PACKAGE.match(log.line(after(marks.packages, number)))
    test = TEST.match(log.line(number))
    said = [n for n in nearby(log, number) if SAID.match(log.line(n))]
    panic = after(marks.panics, number) if 0 < after(marks.panics, number) < number + 5 else 0
    root = panic or (said[0] if said else number)
    message = SAID.match(log.line(root)) or PANIC.match(log.line(root))
    name = test["name"] if test else ""
    return Finding(
        kind=Kind.TEST, tool="go", line=root, error_type="panic" if panic else "TestFailed", message=message["message"] if message else "",
        test=f"{package['package']}.{name}" if package else name, cites=tuple(sorted({number, root, *said[:8]})),
    )  # fmt: skip


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


def package_failed(log: Log, number: int, marks: Landmarks) -> Finding:
    match = PACKAGE.match(log.line(number))
    panic = before(marks.panics, number) if before(marks.panics, number) > before(marks.packages, number) else 0
    message = PANIC.match(log.line(panic)) if panic else None
    built = bool(match) and ("build" in match["how"] or "setup" in match["how"])  # type: ignore[index]
    return Finding(
        kind=Kind.TEST, tool="go", line=panic or number, error_type="panic" if panic else "compile" if built else "TestFailed",
        message=message["message"] if message else "", test=match["package"] if match else "", cites=tuple(sorted({panic or number, number})), weight=77 if built else 0,
    )  # fmt: skip


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
