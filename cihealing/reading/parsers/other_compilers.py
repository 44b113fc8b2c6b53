"""Compilers and analysers of fewer projects: OCaml, Dart and Flutter, Elixir. Sources: their text
output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import PATH, Form, place, stated
from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

LINES = (".dart:", "CompileError) ")
MARKS = (*LINES, ", characters ")
FORMS = (
    Form(
        "dart",
        re.compile(
            r"\s{0,4}error [•-] (?P<message>.+?) (?:[•-]|at)"
            rf" (?P<file>{PATH}\.dart):\d{{1,9}}:\d{{1,6}} (?:[•-]|\() ?(?P<rule>\w+)\)?$"
        ),
        "compile",
        Kind.COMPILE,
    ),
    Form(
        "dart",
        re.compile(
            rf"\s{{0,4}}error - (?P<file>{PATH}\.dart):\d{{1,9}}:\d{{1,6}} - (?P<message>.+?) -"
            r" (?P<rule>\w+)$"
        ),
        "compile",
        Kind.COMPILE,
    ),
    Form(
        "dart",
        re.compile(rf"(?P<file>{PATH}\.dart):\d{{1,9}}:\d{{1,6}}: Error: (?P<message>.+)$"),
        "compile",
        Kind.COMPILE,
    ),
    Form(
        "elixir",
        re.compile(rf"\*\* \(CompileError\) (?P<file>{PATH}\.exs?):\d{{1,9}}: (?P<message>.+)$"),
        "compile",
        Kind.COMPILE,
    ),
)
OCAML_AT = re.compile(
    r"File \"(?P<file>[^\"]{1,300}\.mli?)\", lines? (?P<line>\d{1,9})(?:-\d{1,9})?, characters "
)
OCAML_SAID = re.compile(r"Error(?: \([^)]{1,80}\))?: (?P<message>.+)$")
MOST = 12


def parse(log: Log) -> Iterator[Finding]:
    yield from stated(log, FORMS, LINES)
    yield from (found for n in log.having(", characters ") if (found := ocaml(log, n)))


def ocaml(log: Log, number: int) -> Finding | None:
    """The place, the code, then the message; a warning has the same place and another word."""
    at = OCAML_AT.match(log.line(number))
    said = (
        next((n for n in range(number + 1, number + MOST) if OCAML_SAID.match(log.line(n))), 0)
        if at
        else 0
    )
    error = OCAML_SAID.match(log.line(said))
    if not at or not error:
        return None
    return Finding(
        kind=Kind.COMPILE,
        tool="ocaml",
        line=said,
        error_type="compile",
        message=error["message"],
        file=at["file"],
        cites=tuple(range(number, said + 1)),
        frames=place(at, at["file"]),
    )
