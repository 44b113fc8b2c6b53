"""Linkers: GNU ld and gold, lld, mold, Apple's ld. `ld returned 1 exit status` and `linker command
failed` are echoes of what they report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import PATH, Form, falling, first
from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = (
    "undefined reference to ",
    "multiple definition of ",
    "cannot find ",
    "ld.lld: error: ",
    "rust-lld: error: ",
    "lld-link: error: ",
    "mold: error: ",
    "wasm-ld: error: ",
    "error adding symbols",
    "recompile with -fPIC",
    "Undefined symbols for architecture",
    "duplicate symbol",
    "library not found for -l",
    "framework not found ",
    "ld: library '",
    "unrecognised emulation mode",
    "final link failed",
    "file format not recognized",
)
MISSING = 77
"""A library that is not there is no fault of the code alone, unlike a name that is not defined."""
LD = r"(?:[^\s:]{0,300}/)?(?:[\w-]{0,40}-)?ld(?:\.bfd|\.gold|\.lld)?(?:\.exe)?: "
FORMS = (
    Form(
        "ld",
        re.compile(
            r"(?P<file>).{1,600}?[:)] ?(?:error: )?(?P<message>(?:undefined reference to|multiple"
            r" definition of) .+)$"
        ),
        "link",
        Kind.COMPILE,
    ),
    Form(
        "ld",
        re.compile(rf"{LD}(?P<file>)(?P<message>cannot find .+)$"),
        "link",
        Kind.ERROR,
        MISSING,
    ),
    Form(
        "ld",
        re.compile(
            r"(?P<file>)(?:\s+= note: )?(?:ld\.lld|rust-lld|lld-link|mold|wasm-ld): error:"
            r" (?P<message>unable to find library .+|could not open .+|cannot open .+|library not"
            r" found: .+)$"
        ),
        "link",
        Kind.ERROR,
        MISSING,
    ),
    Form(
        "ld",
        re.compile(
            r"(?P<file>)(?:\s+= note: )?(?:ld\.lld|rust-lld|lld-link|mold|wasm-ld): error:"
            r" (?P<message>.+)$"
        ),
        "link",
        Kind.COMPILE,
    ),
    Form(
        "ld",
        re.compile(
            rf"{LD}(?P<file>{PATH}): (?P<message>.*(?:error adding symbols|recompile with"
            r" -fPIC|file format not recognized).*)$"
        ),
        "link",
        Kind.COMPILE,
    ),
    Form(
        "ld",
        re.compile(
            r"(?P<file>)ld: (?P<message>(?:library|framework) (?:'\S+' )?not found.*|unrecognised"
            r" emulation mode.*)$"
        ),
        "link",
        Kind.ERROR,
        MISSING,
    ),
    Form(
        "ld",
        re.compile(
            r"(?P<file>)(?P<message>Undefined symbols for architecture \w+:|duplicate symbol"
            r" '?\S+'? in:)$"
        ),
        "link",
        Kind.COMPILE,
    ),
    Form(
        "ld",
        re.compile(rf"{LD}(?P<file>)(?P<message>final link failed.*)$"),
        "link",
        Kind.ERROR,
        66,
    ),
)
WHERE = re.compile(r"(?:\S{1,300}: )?\S{1,300}: [iI]n function [`'].+':$")
FILE = re.compile(
    r"(?!(?:rust-)?(?:ld\.)?lld|mold)(?:\S{1,300}/ld(?:\.\w{2,4})?:"
    r" )?(?P<file>[^\s:()]{1,300}\.[A-Za-z]\w{0,4})[:(]"
)
DETAIL = re.compile(r"\s{2,}\S|>>> ")


def parse(log: Log) -> Iterator[Finding]:
    return falling(found for number in log.having(*MARKS) if (found := link_error(log, number)))


def link_error(log: Log, number: int) -> Finding | None:
    found = first(FORMS, log.line(number), number)
    if not found:
        return None
    stop = next(
        (n for n in range(number + 1, number + 8) if not DETAIL.match(log.line(n))), number + 8
    )
    start = number - 1 if WHERE.match(log.line(number - 1)) else number
    named = log.line(number + 1).strip() if found.message.startswith("Undefined symbols") else ""
    return Finding(
        kind=found.kind,
        tool="ld",
        line=number,
        error_type="link",
        message=f"{found.message} {named}".strip(),
        file=found.file or file_of(log.line(number)),
        weight=found.weight,
        cites=tuple(range(start, stop)),
    )


def file_of(text: str) -> str:
    """The object or source that a message begins with, after the linker's own name."""
    match = FILE.match(text)
    return match["file"] if match else ""
