"""webpack (and Next.js, Create React App), Vite, Rollup, esbuild, Parcel: modules that cannot be
resolved or parsed. Source: webpack 4 and 5, Vite 2 to 7, Rollup 2 to 4, esbuild 0.x.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.frames import relative
from cihealing.reading.log import Log
from cihealing.reading.thrown import thrown, written

MARKS = (
    "ERROR in ",
    "Failed to compile",
    "error during build:",
    "✘ [ERROR] ",
    "[!] ",
    "🚨 Build failed",
    "compiled with ",
)
IN_FILE = re.compile(
    r"ERROR in (?P<file>(?:\./|\.\./|[\w@])[^\s:()]{0,400}\.\w{1,6})(?:[:("
    r" ](?P<line>\d{1,9})[:,\d-]{0,20}\)?)?(?P<rest>.*)$"
)
FAILED_TO = re.compile(r"(?:> )?(?:Build error occurred|Failed to compile\.?)$")
NAMED = re.compile(r"(?:\./|\.\./)?(?P<file>[\w@./()\[\]-]{1,400}\.\w{1,6})(?::\d{1,9}:\d{1,9})?$")
ESBUILD = re.compile(r"✘ \[ERROR\] (?P<message>\S.*)$")
ROLLUP = re.compile(r"\[!\] (?:\([^)]{1,100}\) )?(?P<message>(?=[A-Z])\w{0,60}Error: .*)$")
PLACE = re.compile(
    r"\s{0,8}(?:file: )?(?P<file>[^\s:()]{1,400}\.\w{1,6}):(?P<line>\d{1,9}):\d{1,9}(?::|$)"
)
IMPORTED = re.compile(r".{0,500} from \"(?P<file>[^\"]{1,400})\"")
NEXT = re.compile(
    r"ERROR in |WARNING in |✘ \[ERROR\] |▲ \[WARNING\] |\[!\] |webpack [\d.]+ compiled|\d+ errors?"
    r" ?$|\s{4}at |🚨|.*error during build:$|Failed to compile"
)
LINTED = re.compile(r"\d{1,9}:\d{1,9}\s{1,4}(?:Error|Warning): ")
MAX_BLOCK = 20

FAILED = Saying(
    ("compiled with ",),
    re.compile(r"webpack [\d.]+ compiled with [1-9]\d* errors?|\s?compiled with [1-9]\d* errors?"),
)
PASSED = Saying((" compiled successfully",), re.compile(r"webpack [\d.]+ compiled successfully"))


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having("ERROR in "):
        match = IN_FILE.match(log.line(number))
        if match and "TS" not in log.line(number + 1)[:12]:
            yield headline_finding(log, number, "webpack", file=match["file"])
    for number in log.having("Failed to compile"):
        if FAILED_TO.match(log.line(number)):
            yield from compiled(log, number)
    for number in log.having("error during build:"):
        if log.line(number).endswith("error during build:"):
            yield headline_finding(log, number, "vite")
    yield from one_line(log, "esbuild", "✘ [ERROR] ", ESBUILD)
    yield from one_line(log, "rollup", "[!] ", ROLLUP)
    for number in log.having("🚨 Build failed"):
        yield headline_finding(log, number, "parcel")


def headline_finding(log: Log, number: int, tool: str, file: str = "") -> Finding:
    """The first line below a headline says what is wrong."""
    lines = written(log, log.block(number + 1, until=NEXT, limit=MAX_BLOCK))
    root = lines[0] if lines else number
    text = log.line(root)
    found = next(
        (
            match["file"]
            for n in lines
            if (match := PLACE.match(log.line(n)) or IMPORTED.match(log.line(n)))
        ),
        "",
    )
    return Finding(
        kind=Kind.COMPILE,
        tool=tool,
        line=root,
        error_type="compile",
        message=text.strip(),
        file=file or found,
        cites=tuple(sorted({number, *lines[:10]})),
        weight=78 if lines else 60,
    )


def compiled(log: Log, number: int) -> Iterator[Finding]:
    """`Failed to compile.`, a file, and what is wrong in it; tsc's and eslint's own lines are read
    by their parsers.
    """
    lines = written(log, log.block(number + 1, until=NEXT, limit=MAX_BLOCK))
    file = NAMED.match(log.line(lines[0])) if lines else None
    if file and len(lines) > 1 and not LINTED.match(log.line(lines[1])):
        yield Finding(
            kind=Kind.COMPILE,
            tool="webpack",
            line=lines[1],
            error_type="compile",
            message=log.line(lines[1]).strip(),
            file=file["file"],
            cites=(number, *lines[:10]),
        )


def one_line(log: Log, tool: str, mark: str, form: re.Pattern[str]) -> Iterator[Finding]:
    for number in log.having(mark):
        if match := form.match(log.line(number)):
            lines = written(log, log.block(number + 1, until=NEXT, limit=8))
            place = next((m for n in lines if (m := PLACE.match(log.line(n)))), None)
            named = IMPORTED.match(match["message"])
            error_type, message = thrown(match["message"])
            yield Finding(
                kind=Kind.COMPILE,
                tool=tool,
                line=number,
                error_type="compile",
                message=message if error_type.startswith("Rollup") else match["message"],
                file=place["file"] if place else named["file"] if named else "",
                cites=(number, *lines),
                frames=(
                    (Frame(file=relative(place["file"]), line=int(place["line"]), function=""),)
                    if place and tool == "esbuild"
                    else ()
                ),
            )
