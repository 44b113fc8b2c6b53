"""One small file per tool; every module of this package is a parser, found by being here.

A parser has `MARKS`, all substrings it searches a log for (without one of them it is not asked),
and `parse(log)`, which gives findings in any order. Where its tool says in one line that all passed
or that something failed, it may also have `PASSED` and `FAILED` (each a
`Saying`). Its samples, outputs of the real tool, are `tests/reading/samples/NAME.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from itertools import islice
from pkgutil import iter_modules
from typing import Protocol, cast

from cihealing.reading.found import Finding, Saying
from cihealing.reading.log import Log

MAX_FINDINGS = 5000
"""Of one parser; a log with more says nothing new."""


class Parser(Protocol):
    """A module of this package."""

    __name__: str
    MARKS: tuple[str, ...]

    def parse(self, log: Log, /) -> Iterator[Finding]: ...


@cache
def parsers() -> Sequence[Parser]:
    names = sorted(module.name for module in iter_modules(__path__))
    return tuple(cast("Parser", import_module(f"{__name__}.{name}")) for name in names)


@cache
def sayings(verdict: str) -> Sequence[Saying]:
    """What the tools say of a whole run; `verdict` is PASSED or FAILED."""
    return tuple(
        said for parser in parsers() if isinstance(said := getattr(parser, verdict, None), Saying)
    )


def findings(log: Log) -> list[Finding]:
    """What all parsers find, without the lines on which CI only repeats a script."""
    asked = (parser for parser in parsers() if log.has(*parser.MARKS))
    return [
        finding
        for parser in asked
        for finding in islice(parser.parse(log), MAX_FINDINGS)
        if finding.line not in log.echoed
    ]
