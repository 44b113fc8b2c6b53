"""cargo test. Source: libtest's pretty format."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = (" ... FAILED", "panicked at")
TEST = re.compile(r"test (?P<name>.+?) \.\.\. FAILED$")
STDOUT = re.compile(r"---- (?P<name>.+) stdout ----$")
PANIC = re.compile(r"thread '(?P<thread>[^']*)'(?: \(\d+\))? panicked at (?:'(?P<old>.*)', )?(?P<where>\S+?):?$")


def parse(log: Log) -> Iterator[Finding]:
    told = {match["name"]: n for n in log.having("---- ") if (match := STDOUT.match(log.line(n)))}
    tests = {match["name"]: n for n in log.having(" ... FAILED") if (match := TEST.match(log.line(n)))}
    for name, number in tests.items():
        yield failure(log, name, number, told.get(name, 0))
    if not tests:
        yield from panics(log)


def failure(log: Log, name: str, number: int, start: int) -> Finding:
    lines = log.block(start + 1, until=re.compile(r"---- |failures:$"), limit=40) if start else range(0)
    panic = next((n for n in lines if PANIC.match(log.line(n))), 0)
    message, root = said(log, panic) if panic else ("", number)
    return Finding(
        kind=Kind.TEST,
        tool="cargo",
        line=root,
        error_type="panic" if panic else "TestFailed",
        message=message,
        test=name,
        cites=tuple(sorted({number, root, *[n for n in lines if log.line(n).strip()][:8]})),
    )


def said(log: Log, panic: int) -> tuple[str, int]:
    """Old compilers print the message in quotes, new ones on the next line."""
    match = PANIC.match(log.line(panic))
    if match and match["old"] is not None:
        return match["old"], panic
    return log.line(panic + 1).strip(), min(panic + 1, len(log))


def panics(log: Log) -> Iterator[Finding]:
    for number in log.having("panicked at"):
        if PANIC.match(log.line(number)):
            message, root = said(log, number)
            yield Finding(kind=Kind.ERROR, tool="rust", line=root, error_type="panic", message=message, cites=(number, root))
