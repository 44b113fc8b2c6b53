"""One small file per tool. A parser is a module: `MARKS`, substrings without which it has nothing to say, and `parse(log)`, which gives findings in any order."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from cihealing.reading.found import Finding
from cihealing.reading.log import Log
from cihealing.reading.parsers import cargo, compilers, go, java, javascript, jvm, linters, pytest, python, ruby, unittest

Parse = Callable[[Log], Iterator[Finding]]
PARSERS: tuple[tuple[tuple[str, ...], Parse], ...] = tuple(
    (module.MARKS, module.parse) for module in (pytest, unittest, python, go, javascript, java, jvm, cargo, ruby, compilers, linters)
)


MAX_FINDINGS = 5000
"""Of one parser; a log with more says nothing new."""


def findings(log: Log) -> list[Finding]:
    """What all parsers find, without the lines on which CI only repeats a script."""
    found = (finding for marks, parse in PARSERS if any(mark in log.text for mark in marks) for finding in islice(parse(log), MAX_FINDINGS))
    return [finding for finding in found if finding.line not in log.echoed]
