"""Compilers: gcc, clang, javac, Maven's and Kotlin's form, MSVC, rustc, swiftc, linkers, CMake and ninja."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = ("error", "[ERROR] /", "[ERROR] ", "FAILED: ", "e: ", "undefined reference")
FORMS = (
    ("cc", re.compile(r"(?P<file>[^\s:()]{1,300}\.(?:c|cc|cpp|cxx|h|hh|hpp|cu|cuh|m|mm|swift|f90|ino)):\d{1,9}:(?:\d{1,9}:)? (?:fatal )?error: (?P<message>.+)$")),
    ("msvc", re.compile(r"\s{0,4}(?P<file>[^\s()]{1,300}|[A-Za-z]:[^()\n]{1,300})\(\d{1,9}(?:,\d{1,9})?\) ?: (?:fatal )?error (?P<rule>[A-Z]{1,4}\d{3,5}): (?P<message>.+)$")),
    ("ld", re.compile(r"(?P<file>[^\s:()]{0,300})\S{0,80}: (?P<message>undefined reference to .+|multiple definition of .+|cannot find -l.+)$")),
    ("ld", re.compile(r"(?P<file>)(?:/\S+/)?(?:ld|collect2|clang)(?:\.lld)?: error: (?P<message>.+)$")),
    ("cmake", re.compile(r"CMake Error(?: at (?P<file>[^\s:]{1,300}):\d{1,9})?(?: \(\w+\))?:(?P<message>.*)$")),
    ("ninja", re.compile(r"(?P<message>FAILED: (?:\[code=\d+\] )?(?P<file>\S{1,400}))\s*$")),
)  # fmt: skip
RUSTC = re.compile(r"error(?:\[(?P<rule>E\d{4})\])?: (?P<message>.+)$")
ARROW = re.compile(r"\s*--> (?P<file>[^\s:]{1,400}):\d+:\d+$")
RUSTC_TALK = ("could not compile", "aborting due to", "test failed", "process didn't exit", "failed to run custom build")


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(
        "error", "[ERROR] ", "e: ", "undefined reference", "multiple definition", "cannot find -l", "CMake Error", "FAILED: "
    ):
        if found := compile_error(log, number):
            yield found
    yield from rustc(log)


def compile_error(log: Log, number: int) -> Finding | None:
    text = log.line(number)
    for tool, form in FORMS:
        if match := form.match(text):
            named = match.groupdict()
            weight = 70 if tool == "ninja" else 66 if tool == "cmake" else 0
            return Finding(
                kind=Kind.COMPILE, tool=tool, line=number, error_type="compile", message=match["message"], file=match["file"] or "", rule=named.get("rule") or "",
                cites=tuple(detail(log, number)), weight=weight,
            )  # fmt: skip
    return None


def detail(log: Log, number: int) -> range:
    """The error's line and the indented ones that explain it."""
    stop = number + 1
    while stop <= len(log) and stop < number + 6 and log.line(stop).startswith(("  ", "\t")):
        stop += 1
    return range(number, stop)


def rustc(log: Log) -> Iterator[Finding]:
    for number in log.having("error: ", "error["):
        match, arrow = RUSTC.match(log.line(number)), ARROW.match(log.line(number + 1))
        if match and arrow and not match["message"].startswith(RUSTC_TALK):
            lines = log.block(number, until=re.compile(r"\s*$"), limit=20)
            yield Finding(
                kind=Kind.COMPILE,
                tool="rustc",
                line=number,
                error_type="compile",
                message=match["message"],
                file=arrow["file"],
                rule=match["rule"] or "",
                cites=tuple(lines),
            )
