"""`go test -json`: one event a line, so that a test's verdict and what it said stand apart. Source:
cmd/test2json.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.frames import frames_of
from cihealing.reading.log import Log
from cihealing.reading.parsers.go import COMPILE, FAILURE, OF_TEST, PANIC, SAID

MARKS = ('"Action":"fail"', '"Action":"output"', '"Action":"build-output"')
MAX_SAID = 40

PASSED = Saying(
    ('"Action":"pass"',),
    re.compile(r'\{[^{}]{0,200}"Action":"pass","Package":"[^"]{1,400}","Elapsed"'),
)
FAILED = Saying(('"Action":"fail"',), re.compile(r'\{.{0,2000}"Action":"fail"'))


@dataclass(slots=True)
class GoTestOutput:
    """What one test, or a package outside of its tests, wrote: line numbers with their text."""

    lines: list[tuple[int, str]] = field(default_factory=list)

    def first(self, form: re.Pattern[str]) -> tuple[int, re.Match[str]] | None:
        return next(((n, match) for n, text in self.lines if (match := form.match(text))), None)


def parse(log: Log) -> Iterator[Finding]:
    said: dict[tuple[str, str], GoTestOutput] = defaultdict(GoTestOutput)
    for number, event in events(log, '"Action":"output"', '"Action":"build-output"'):
        said[key(event)].lines.append((number, str(event.get("Output", "")).rstrip("\n")))
    failed = [(number, *key(event)) for number, event in events(log, '"Action":"fail"')]
    named = {package for _, package, test in failed if test}
    for number, package, test in failed:
        if test:
            yield test_failed(number, package, test, said[package, test])
        elif package not in named:
            yield package_failed(
                number,
                package,
                {other: each for (of, other), each in said.items() if of == package},
            )
    yield from compiled(said)


def events(log: Log, *marks: str) -> Iterator[tuple[int, dict[str, object]]]:
    for number in log.having(*marks):
        text = log.line(number)
        if text.startswith("{"):
            try:
                event = json.loads(text)
            except ValueError:  # cut short, or no event at all
                continue
            if isinstance(event, dict):
                yield number, event


def key(event: dict[str, object]) -> tuple[str, str]:
    return str(event.get("Package") or event.get("ImportPath") or ""), str(event.get("Test") or "")


def test_failed(number: int, package: str, test: str, said: GoTestOutput) -> Finding:
    panic = said.first(PANIC)
    told = [(n, match) for n, text in said.lines if (match := SAID.match(text))]
    likely = next(
        (each for each in told if FAILURE.search(each[1]["message"])), told[-1] if told else None
    )
    root, match = panic or likely or (number, None)
    return Finding(
        kind=Kind.TEST,
        tool="go",
        line=root,
        error_type="panic" if panic else "TestFailed",
        message=match["message"] if match else "",
        test=f"{package}.{test}",
        cites=tuple(sorted({number, root, *(n for n, _ in said.lines[:MAX_SAID])})),
        frames=frames_of(text for _, text in said.lines),
    )


def package_failed(number: int, package: str, said: dict[str, GoTestOutput]) -> Finding:
    """No test has a verdict: a panic ended the package (an event's own test may be one that only
    ran beside it).
    """
    lines = [line for each in said.values() for line in each.lines]
    all_of_it = GoTestOutput(sorted(lines))
    panic = all_of_it.first(PANIC)
    root, match = panic or all_of_it.first(SAID) or (number, None)
    text = match["message"] if match else package
    test = next(
        (
            found["test"]
            for n, said_ in all_of_it.lines
            if panic and n > root and (found := OF_TEST.match(said_))
        ),
        "",
    )
    return Finding(
        kind=Kind.ERROR,
        tool="go",
        line=root,
        error_type="panic" if panic else "TestFailed",
        message=f"{text} (in {test})" if test else text,
        weight=79,
        cites=tuple(sorted({number, root, *(n for n, _ in all_of_it.lines if n >= root)}))[
            :MAX_SAID
        ],
        frames=frames_of(text for n, text in all_of_it.lines if n >= root),
    )


def compiled(said: dict[tuple[str, str], GoTestOutput]) -> Iterator[Finding]:
    for each in said.values():
        for number, text in each.lines:
            if match := COMPILE.match(text):
                yield Finding(
                    kind=Kind.COMPILE,
                    tool="go",
                    line=number,
                    error_type="compile",
                    message=match["message"],
                    file=match["file"],
                )
