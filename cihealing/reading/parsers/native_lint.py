"""Linters of C, C++, Swift and Haskell: clang-tidy, clang-format, cppcheck, cpplint, SwiftLint,
HLint. Sources: their text output, which borrows the compilers' form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import PATH, Form, stated
from cihealing.reading.found import Finding
from cihealing.reading.log import Log

MARKS = (
    ": error: ",
    ": style: ",
    ": performance: ",
    ": portability: ",
    *(f"] [{sure}]" for sure in range(1, 6)),
    "]: (error) ",
    "-warnings-as-errors]",
    ".hs:",
)
AT = r":\d{1,9}(?::\d{1,6})?: "
CHECK = r"[a-z][\w-]*(?:[.-][\w.+-]+)+"
FORMS = (
    Form(
        "clang-format",
        re.compile(
            rf"(?P<file>{PATH}){AT}(?:error|warning): (?P<message>code should be clang-formatted)"
            r" \[-?W?(?P<rule>clang-format-violations)\]$"
        ),
    ),
    Form(
        "clang-tidy",
        re.compile(
            rf"(?P<file>{PATH}){AT}(?:error|warning): (?P<message>.+)"
            rf" \[(?P<rule>{CHECK}),-warnings-as-errors\]$"
        ),
    ),
    Form(
        "clang-tidy",
        re.compile(
            rf"(?P<file>{PATH}){AT}error: (?P<message>.+)"
            r" \[(?P<rule>(?:bugprone|cert|clang-analyzer|cppcoreguidelines|google|hicpp|llvm"
            r"|misc|modernize|performance|portability|readability)-[\w.-]+)\]$"
        ),
    ),
    Form(
        "cppcheck",
        re.compile(
            rf"(?P<file>{PATH}){AT}(?:error|style|performance|portability): (?P<message>.+)"
            r" \[(?P<rule>[a-z][A-Za-z]+[A-Z]\w*|syntaxError|uninitvar|nullPointer)\]$"
        ),
    ),
    Form(
        "cppcheck", re.compile(r"\[(?P<file>[^\s:\]]{1,300}):\d{1,9}\]: \(error\) (?P<message>.+)$")
    ),
    Form(
        "cpplint",
        re.compile(
            rf"(?P<file>{PATH}):\d{{1,9}}:  (?P<message>.+?)  \[(?P<rule>\w+/\w+)\] \[[1-5]\]$"
        ),
    ),
    Form(
        "hlint",
        re.compile(
            rf"(?P<file>{PATH}\.hs):\d{{1,9}}:\d{{1,6}}(?:-\d{{1,6}})?:"
            r" (?:Suggestion|Warning|Error): (?P<message>.+)$"
        ),
    ),
    Form(
        "swiftlint",
        re.compile(
            rf"(?P<file>{PATH}\.swift){AT}error: (?P<message>[A-Z].+ Violation: .+)"
            r" \((?P<rule>\w+)\)$"
        ),
    ),
)


def parse(log: Log) -> Iterator[Finding]:
    yield from stated(log, FORMS, MARKS)
