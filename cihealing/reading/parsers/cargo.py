"""cargo: libtest's and nextest's failed tests, doc tests, panics, what cargo itself cannot do.
Source: libtest's pretty format, cargo-nextest's reporter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.log import Log

MARKS = (
    " ... FAILED",
    "panicked at",
    " stdout ----",
    "failures:",
    " FAIL [",
    " SIGABRT [",
    " SIGSEGV [",
    " TIMEOUT [",
    " LEAK-FAIL [",
    "error: failed to ",
    "error: no matching package",
    "error: the lock file ",
    "error: cannot update the lock file",
    "error: linking with ",
    "error: no such command",
    "error: toolchain ",
    "error: package `",
    "error: could not find `Cargo.toml`",
)
TEST = re.compile(r"test (?P<name>\S.*?)(?: - should panic)? \.\.\. FAILED$")
STDOUT = re.compile(r"---- (?P<name>\S.*) stdout ----$")
LISTED = re.compile(r"\s{4}(?P<name>\S.*?)$")
UNLISTED = re.compile(r"$|\s{0,3}\S")
NEXTEST = re.compile(
    r"\s{0,12}(?:TRY \d+ )?(?P<how>FAIL|SIGABRT|SIGSEGV|TIMEOUT|LEAK-FAIL) \[\s*>?[\d.]+s\]"
    r" (?:\(\s*\d+/\d+\) )?(?P<binary>\S+) (?P<name>\S.*)$"
)
PANIC = re.compile(
    r"\s{0,8}thread '(?P<thread>[^']*)'(?: \(\d+\))? panicked at (?:'(?P<old>.*)',"
    r" )?(?P<where>\S+?):?$|\s{0,8}thread '(?P<thread2>[^']*)' panicked at '(?P<open>.+)$"
)
RETURNED = re.compile(
    r"\s{0,8}(?:Error: |note: (?=test did not panic|panic did not contain))(?P<message>\S.*)$"
)
END = re.compile(r"---- .* stdout ----$|failures:$|test result: |\s+(?:Summary|Cancel\w*) ")
CARGO = re.compile(
    r"error: (?P<message>(?:failed to (?!run `rustc`|solve)|no matching package|the lock file"
    r" |cannot update the lock file|linking with |no such command|toolchain '|package `.+` cannot"
    r" be built|could not find `Cargo\.toml`).*)$"
)
WHY = re.compile(r"\s{1,6}\S|$|Caused by:|(?:location|required by|perhaps you meant|  ?=)")

PASSED = Saying(
    (" tests run: ",),
    re.compile(r"\s+Summary \[.{1,40}\] \d+ tests? run: \d+ passed(?! .*\bfailed)"),
)
FAILED = Saying(
    ("test result: FAILED", " tests run: "),
    re.compile(r"test result: FAILED|\s+Summary \[.{1,40}\] .*[1-9]\d* (?:failed|timed out)"),
)


def parse(log: Log) -> Iterator[Finding]:
    told = {
        match["name"]: n for n in log.having(" stdout ----") if (match := STDOUT.match(log.line(n)))
    }
    threads = {
        match["thread"] or match["thread2"]: n
        for n in log.having("panicked at")
        if (match := PANIC.match(log.line(n)))
    }
    tests = dict(named(log))
    for name, number in tests.items():
        yield failure(log, name, number, told.get(name) or threads.get(name, 0) - 1)
    if not tests:
        yield from panics(log)
    yield from (found for n in log.having(*MARKS[9:]) if (found := refused(log, n)))


def named(log: Log) -> Iterator[tuple[str, int]]:
    """Failed tests by libtest's verdicts, its list `failures:` (a verdict may stand behind what the
    test printed), and nextest's verdicts.
    """
    for number in reversed(log.having("failures:")):
        if log.line(number) == "failures:":
            listed = log.block(number + 1, until=UNLISTED, limit=2000)
            if log.line(listed.stop + 1).startswith("test result: "):
                yield from (
                    (match["name"], n) for n in listed if (match := LISTED.match(log.line(n)))
                )
    for number in log.having(" ... FAILED"):
        if match := TEST.match(log.line(number)):
            yield match["name"], number
    yield from nextest(log)


def nextest(log: Log) -> Iterator[tuple[str, int]]:
    """The last verdict on a test: an earlier try may have failed."""
    for number in log.having(*MARKS[4:9]):
        match = NEXTEST.match(log.line(number))
        if match and "TRY " not in log.line(number)[:16]:
            yield match["name"], number


def failure(log: Log, name: str, number: int, start: int) -> Finding:
    """`start` is the line above what the test printed; less than 1 where that is not known."""
    first = start if start > 0 else number if NEXTEST.match(log.line(number)) else 0
    lines = log.block(first + 1, until=END, limit=60) if first else range(0)
    panic = next((n for n in lines if PANIC.match(log.line(n))), 0)
    returned = next((n for n in lines if RETURNED.match(log.line(n))), 0)
    match = RETURNED.match(log.line(returned))
    message, root = (
        panic_message(log, panic)
        if panic
        else (match["message"] if match else "", returned or number)
    )
    error_type = "panic" if panic else "Error" if returned else "TestFailed"
    return Finding(
        kind=Kind.TEST,
        tool="cargo",
        line=root,
        error_type=error_type,
        message=message,
        test=name,
        cites=tuple(
            sorted(
                {
                    number,
                    root,
                    *[n for n in lines if log.line(n).strip() and n >= (panic or returned or 0)][
                        :8
                    ],
                }
            )
        ),
    )


def panic_message(log: Log, panic: int) -> tuple[str, int]:
    """Old compilers print the message in quotes, which may close some lines below; new ones on the
    next line.
    """
    match = PANIC.match(log.line(panic))
    if match and (match["old"] is not None or match["open"]):
        return match["old"] or match["open"], panic
    return log.line(panic + 1).strip(), min(panic + 1, len(log))


def panics(log: Log) -> Iterator[Finding]:
    for number in log.having("panicked at"):
        if PANIC.match(log.line(number)):
            message, root = panic_message(log, number)
            yield Finding(
                kind=Kind.ERROR,
                tool="rust",
                line=root,
                error_type="panic",
                message=message,
                cites=(number, root),
            )


def refused(log: Log, number: int) -> Finding | None:
    """cargo's own errors: a dependency, a manifest, a build script, the linker; what caused them
    stands below.
    """
    match = CARGO.match(log.line(number))
    if match is None:
        return None
    why = [
        n
        for n in log.block(
            number + 1,
            until=re.compile(r"(?:warning|error|\s{2,12}(?:Compiling|Finished|Checking))\b"),
            limit=25,
        )
        if WHY.match(log.line(n))
    ]
    return Finding(
        kind=Kind.ERROR,
        tool="cargo",
        line=number,
        error_type="cargo",
        message=match["message"],
        cites=(number, *(n for n in why if log.line(n).strip())),
        weight=66,
    )
