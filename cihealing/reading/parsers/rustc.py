"""rustc, clippy and rustfmt; linking and build scripts under cargo. Sources: rustc's human emitter,
cargo's machine of jobs, `rustfmt --check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.found import Finding, Kind
from cihealing.reading.frames import relative
from cihealing.reading.log import Log

MARKS = ("error: ", "error[E", "Diff in ")
ERROR = re.compile(r"error(?:\[(?P<rule>E\d{4})\])?: (?P<message>.+)$")
ARROW = re.compile(r"\s*(?:-->|╭▸) (?P<file>[^\s:]{1,400}\.(?:rs|toml)|<[^<>]{1,200}>):\d+:\d+$")
SHORT = re.compile(
    r"(?P<file>[^\s:]{1,400}\.rs):\d+:\d+: error(?:\[(?P<rule>E\d{4})\])?: (?P<message>.+)$"
)
ECHO = (
    "could not compile",
    "aborting due to",
    "test failed",
    "process didn't exit",
    "build failed",
    "cannot format",
)
SCRIPT = re.compile(r"failed to run custom build (?:command|script) for `(?P<crate>[^`]{1,200})`")
LINKING = re.compile(r"linking with `\S{1,200}` failed")
DIFF = re.compile(r"Diff in (?P<file>\S{1,400}?)(?: at line |:)\d+:?$")
LOUD = re.compile(
    r"\s{0,6}(?:error|thread '.{1,80}'(?: \(\d+\))? panicked|Could not|Package \S+ was not"
    r" found|.{0,100}(?:not found|No such file|failed))"
)
PANIC = re.compile(r".{1,200}panicked at (?P<file>[^\s:]{1,300}):(?P<line>\d{1,9}):\d+:$")
TRACE = re.compile(r"\s*(?:stack backtrace:|note: |\d+: )")
NOTE = re.compile(r"\s+= note: (?P<message>.+)$")
SCRIPT_END = re.compile(r"error: |warning: build failed")
BLANK = re.compile(r"\s*$")
CLIPPY = ("clippy::", "`-D warnings`")


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having("error: ", "error[E"):
        if found := error(log, number) or short(log, number):
            yield found
    yield from (found for n in log.having("Diff in ") if (found := rustfmt(log, n)))


def error(log: Log, number: int) -> Finding | None:
    match = ERROR.match(log.line(number))
    if not match or match["message"].startswith(ECHO):
        return None
    if SCRIPT.match(match["message"]):
        return build_script(log, number, match["message"])
    if LINKING.match(match["message"]):
        return linking(log, number, match["message"])
    place = next((n for n in range(number + 1, number + 5) if ARROW.match(log.line(n))), 0)
    arrow = ARROW.match(log.line(place))
    return diagnosed(log, number, match, file=arrow["file"]) if arrow else None


def diagnosed(log: Log, number: int, match: re.Match[str], *, file: str) -> Finding:
    lines = [
        n
        for n in log.block(number, until=BLANK, limit=20)
        if n == number or not log.line(n).startswith(("error", "warning: "))
    ]
    is_lint = any(sign in log.line(n) for n in lines for sign in CLIPPY)
    return Finding(
        kind=Kind.LINT if is_lint else Kind.COMPILE,
        tool="clippy" if is_lint else "rustc",
        line=number,
        error_type="lint" if is_lint else "compile",
        message=match["message"],
        file=file,
        rule=match["rule"] or "",
        cites=tuple(lines),
    )


def short(log: Log, number: int) -> Finding | None:
    """`--error-format short`."""
    match = SHORT.match(log.line(number))
    if not match:
        return None
    return Finding(
        kind=Kind.COMPILE,
        tool="rustc",
        line=number,
        error_type="compile",
        message=match["message"],
        file=match["file"],
        rule=match["rule"] or "",
    )


def build_script(log: Log, number: int, message: str) -> Finding:
    """The script's own last words stand below, under `--- stderr`; of a panic the line after it."""
    lines = log.block(number + 1, until=SCRIPT_END, limit=80)
    head = next((n for n in lines if log.line(n).strip() == "--- stderr"), number)
    said = next((n for n in range(head + 1, lines.stop) if LOUD.match(log.line(n))), number)
    panic = PANIC.match(log.line(said))
    root = said + 1 if panic else said
    cites = {
        number,
        *[
            n
            for n in range(said, min(said + 5, lines.stop))
            if log.line(n).strip() and not TRACE.match(log.line(n))
        ],
    }
    return Finding(
        kind=Kind.ERROR,
        tool="cargo",
        line=root,
        error_type="build-script",
        message=log.line(root).strip() if root != number else message,
        cites=tuple(sorted({*cites, root})),
        frames=(Frame(file=relative(panic["file"]), line=int(panic["line"])),) if panic else (),
        weight=76,
    )


def linking(log: Log, number: int, message: str) -> Finding:
    """The linker's words stand in a note below the command, which is long."""
    notes = [
        n
        for n in log.block(number + 1, until=re.compile(r"error"), limit=60)
        if NOTE.match(log.line(n))
    ]
    said = NOTE.match(log.line(notes[-1])) if notes else None
    return Finding(
        kind=Kind.ERROR,
        tool="rustc",
        line=notes[-1] if said else number,
        error_type="link",
        message=said["message"] if said else message,
        cites=(number, *notes[-1:]),
        weight=76,
    )


def rustfmt(log: Log, number: int) -> Finding | None:
    if not (match := DIFF.match(log.line(number))):
        return None
    lines = log.block(number, until=re.compile(r"\s*$"), limit=12)
    return Finding(
        kind=Kind.LINT,
        tool="rustfmt",
        line=number,
        error_type="lint",
        message="not formatted",
        file=match["file"],
        rule="rustfmt",
        cites=tuple(lines),
    )
