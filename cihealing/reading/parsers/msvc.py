"""MSVC, its linker, csc and MSBuild, NMAKE: `file(line,column): error CODE: message`. Source: the
canonical error format of MSBuild.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import Form, stated
from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = (": error ", ": fatal error ", " error MSB", " error NU")
PLACE = (
    r"\s{0,8}(?:\d{1,4}>)?(?P<file>[^\s()]{1,300}"
    r"|[A-Za-z]:[^()]{1,300})\(\d{1,9}(?:,\d{1,9}){0,3}\) ?:"
)
ECHO = r"(?!MSB3073|MSB6006|MSB3721|LNK1120|U1077|MSB8066|TS\d)"
FORMS = (
    # what is not there is no fault of the code alone
    Form(
        "link",
        re.compile(
            r"\s{0,8}(?:\d{1,4}>)?(?P<file>)[^\s:]{1,300} : fatal error (?P<rule>LNK1104|LNK1181):"
            r" (?P<message>.+?)(?: \[[^\[\]]{1,300}\.\w*proj\])?$"
        ),
        "link",
        Kind.ERROR,
        77,
    ),
    Form(
        "msbuild",
        re.compile(
            rf"{PLACE} error {ECHO}(?P<rule>MSB\d{{4}}): (?P<message>.+?)(?:"
            r" \[[^\[\]]{1,300}\.\w*proj\])?$"
        ),
        "build",
        Kind.ERROR,
        76,
    ),
    Form(
        "msvc",
        re.compile(
            rf"{PLACE} (?:fatal )?error {ECHO}(?P<rule>[A-Z]{{1,7}}\d{{3,6}}): (?P<message>.+?)(?:"
            r" \[[^\[\]]{1,300}\.\w*proj(?:::\S+)?\])?$"
        ),
        "compile",
        Kind.COMPILE,
    ),
    Form(
        "link",
        re.compile(
            r"\s{0,8}(?:\d{1,4}>)?(?P<file>[^\s:]{1,300}) : (?:fatal )?error"
            rf" {ECHO}(?P<rule>LNK\d{{4}}|U\d{{4}}|RC\d{{4}}|D\d{{4}}): (?P<message>.+?)(?:"
            r" \[[^\[\]]{1,300}\.\w*proj\])?$"
        ),
        "link",
        Kind.COMPILE,
    ),
    Form(
        "msbuild",
        re.compile(
            r"\s{0,8}(?:\d{1,4}>)?(?P<file>(?:[A-Za-z]:)?[^:]{1,300}?) ?: error"
            rf" {ECHO}(?P<rule>(?:MSB|NU|NETSDK|CS)\d{{3,5}}): (?P<message>.+?)(?:"
            r" \[[^\[\]]{1,300}\.\w*proj\])?$"
        ),
        "build",
        Kind.COMPILE,
        76,
    ),
    # what only says that a command or the link as a whole failed
    Form(
        "msvc",
        re.compile(
            r"\s{0,8}(?:\d{1,4}>)?(?P<file>(?:[A-Za-z]:)?[^:]{1,300}?) ?: (?:fatal )?error"
            r" (?P<rule>MSB3073|MSB6006|MSB3721|MSB8066|LNK1120|U1077): (?P<message>.+)$"
        ),
        "build",
        Kind.COMPILE,
        56,
    ),
)


def parse(log: Log) -> Iterator[Finding]:
    return stated(log, FORMS, MARKS)
