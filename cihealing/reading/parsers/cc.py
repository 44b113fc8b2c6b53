"""Compilers that write as GNU's do, `file:line:column: error: message`: gcc, g++, clang, gfortran,
nvcc, zig; and GHC, whose message may stand below.

Cited with an error: the chain of includes and the instantiations above it, the code below it.
Sources: GCC's diagnostics, Clang's text printer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import PATH, Form, first, place
from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log
from cihealing.reading.parsers.native_lint import FORMS as LINT_FORMS

ERRORS = (": error:", ": fatal error:", "): error: ", ": internal compiler error: ", "nvcc fatal ")
FORTRAN = (".f90:", ".F90:", ".f95:", ".f03:", ".f08:", ".f:")
MARKS = (*ERRORS, *FORTRAN)
DRIVER = (
    r"(?:\S{0,200}/)?(?:[\w-]{0,40}-)?(?:gcc|g\+\+|cc|c\+\+|cc1|cc1plus|cc1obj|f951|gfortran"
    r"|clang(?:\+\+)?|clang-cl|nvcc|lto1|as)(?:-[\d.]+)?(?:\.exe)?"
)
OTHERS = r"(?!\S{1,300}\.(?:pyi?|java|kts?|scala|groovy|go|rb|ya?ml|swift|rs)\b)"
FORMS = (
    Form(
        "cc",
        re.compile(
            OTHERS
            + rf"(?P<file>{PATH}\.\w{{1,6}}):\d{{1,9}}:(?:\d{{1,9}}:)? (?:fatal |internal compiler"
            r" )?error:(?: \[GHC-\d{1,6}\])?(?P<message> .+|)$"
        ),
        "compile",
        Kind.COMPILE,
    ),
    Form(
        "cc",
        re.compile(
            rf"(?P<file>{PATH}\.\w{{1,6}})\(\d{{1,9}}\): (?:catastrophic )?error: (?!in"
            r" \"|Expected|Failed|Value of|The difference)(?P<message>.+)$"
        ),
        "compile",
        Kind.COMPILE,
    ),
    Form(
        "cc",
        re.compile(
            rf"(?P<file>){DRIVER}: (?:fatal |internal compiler )?error: (?!linker command failed|ld"
            r" returned)(?P<message>.+)$"
        ),
        "compile",
        Kind.ERROR,
        76,
    ),
    Form(
        "nvcc", re.compile(r"(?P<file>)nvcc fatal\s+: (?P<message>.+)$"), "compile", Kind.ERROR, 76
    ),
)
ABOVE = re.compile(
    r"In file included from |\s{10,40}from \S+:\d+|\S{1,300}: (?:In |At )(?:\w+"
    r" ){0,3}(?:function|instantiation|constructor|destructor|substitution|level|scope"
    r"|program)\b|\S{1,300}:\d+:\d+:\s{3}(?:recursively"
    r" )?required "
)
CODE = re.compile(r"(?:\s{2,}|\t|\s*\d* \|).*\S")
F_PLACE = re.compile(rf"(?P<file>{PATH}\.[fF](?:90|95|03|08)?):\d{{1,9}}:\d{{1,9}}:$")
F_ERROR = re.compile(r"(?:Fatal )?Error: (?P<message>.+)$")
MOST_ABOVE, MOST_BELOW = 8, 6


def parse(log: Log) -> Iterator[Finding]:
    yield from (found for n in log.having(*ERRORS) if (found := compile_error(log, n)))
    yield from (found for n in log.having(*FORTRAN) if (found := fortran(log, n)))


def compile_error(log: Log, number: int) -> Finding | None:
    text = log.line(number)
    found = first(FORMS, text, number)
    if not found or first(LINT_FORMS, text, number):
        return None
    lines = range(above(log, number), below(log, number))
    message = found.message or log.line(number + 1).strip(" •")
    return Finding(
        kind=found.kind,
        tool=found.tool,
        line=number,
        error_type=found.error_type,
        message=message,
        file=found.file,
        weight=found.weight,
        cites=tuple(lines),
    )


def above(log: Log, number: int) -> int:
    """The first of the lines that lead to an error: who includes the file, which function or
    template it is in.
    """
    start = number
    while start > max(1, number - MOST_ABOVE) and ABOVE.match(log.line(start - 1)):
        start -= 1
    return start


def below(log: Log, number: int) -> int:
    """The line after the code that is shown with an error."""
    stop = number + 1
    while stop <= number + MOST_BELOW and CODE.match(log.line(stop)):
        stop += 1
    return stop


def fortran(log: Log, number: int) -> Finding | None:
    """gfortran: the place, the code, a pointer, then the message."""
    at = F_PLACE.match(log.line(number))
    said = (
        next((n for n in range(number + 1, number + 8) if F_ERROR.match(log.line(n))), 0)
        if at
        else 0
    )
    error = F_ERROR.match(log.line(said))
    if not at or not error:
        return None
    return Finding(
        kind=Kind.COMPILE,
        tool="cc",
        line=said,
        error_type="compile",
        message=error["message"],
        file=at["file"],
        cites=tuple(range(number, said + 1)),
        frames=place(at, at["file"]),
    )
