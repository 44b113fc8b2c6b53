"""pyflakes on its own, whose lines have no rule. Source: pyflakes/messages.py, versions 1 to 4."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import PATH, Form, stated
from cihealing.reading.found import Finding
from cihealing.reading.log import Log

MARKS = (
    "imported but unused",
    "undefined name",
    "unable to detect undefined names",
    "may be undefined, or defined from star imports",
    "is assigned to but never used",
    "is annotated but never used",
    "is never assigned in scope",
    "redefinition of unused",
    "redefinition of function",
    "shadowed by loop variable",
    "referenced before assignment",
    "f-string is missing placeholders",
    "to compare constant literals",
    "is always true, perhaps remove parentheses",
    "dictionary key",
    "from __future__ imports must occur",
    "future feature not defined",
    "'...' % ...",
    "'...'.format(...)",
)
FORM = Form(
    "pyflakes",
    re.compile(
        rf"(?P<file>{PATH}\.pyi?):\d{{1,9}}:(?:\d{{1,6}}:?)? "
        r"(?P<message>(?!error: |[A-Z]{1,4}\d{2,4}\b)"
        rf".{{0,300}}?(?:{'|'.join(map(re.escape, MARKS))}).*)$"
    ),
)


def parse(log: Log) -> Iterator[Finding]:
    yield from stated(log, (FORM,), MARKS)
