"""Reports of native programs that die: the sanitizers of Clang and GCC, Valgrind, assert(), glibc's
checks, an exception nobody caught. Sources: compiler-rt's sanitizer_common, Valgrind's memcheck,
glibc's and libstdc++'s messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.forms import falling
from cihealing.reading.found import Finding, Kind
from cihealing.reading.frames import is_library, relative
from cihealing.reading.log import Log

MARKS = (
    "Sanitizer: ",
    ": runtime error: ",
    ": Assertion ",
    "terminate called ",
    "== Invalid ",
    "definitely lost",
    "uninitialised value",
    "*** stack smashing",
    "free(): ",
    "malloc(): ",
    "double free",
    "libc++abi: ",
    "Assertion failed: ",
)
INDENT = r"(?:\d{1,6}: )?"
REPORT = re.compile(
    INDENT + r"(?:==\d+==\s?)?(?:ERROR|WARNING|FATAL):"
    r" (?P<tool>(?:Address|Leak|Memory|Thread|UndefinedBehavior|HWAddress)Sanitizer):"
    r" (?P<message>.+)$"
)
UNDEFINED = re.compile(
    INDENT + r"(?P<file>(?:[A-Za-z]:)?[^\s:]{1,400}):(?P<line>\d{1,9}):\d{1,9}: runtime error:"
    r" (?P<message>.+)$"
)
VALGRIND = re.compile(
    r"==\d+== (?P<message>Invalid (?:read|write|free).*|.{0,80}uninitialised value.*|[\d,]+"
    r" .{0,60}bytes in .{1,40} definitely lost.*)$"
)
ASSERT = re.compile(
    INDENT + r"(?:\S{1,200}: )?(?P<file>[^\s:]{1,400}):(?P<line>\d{1,9}): (?P<fn>.{0,400}?):"
    r" (?P<message>Assertion [`'].+ failed\.)"
)
ASSERT_BSD = re.compile(
    INDENT
    + r"(?P<message>Assertion failed: \(.+\)), function (?P<fn>\S+), file (?P<file>\S+), line"
    r" (?P<line>\d+)\."
)
UNCAUGHT = re.compile(INDENT + r"(?:libc\+\+abi: )?(?P<message>terminat(?:e called|ing).+)$")
GLIBC = re.compile(
    INDENT
    + r"(?P<message>\*\*\* stack smashing detected \*\*\*.*|(?:free|malloc|realloc)\(\): .+|double"
    r" free or corruption.*|corrupted size vs\. prev_size.*)$"
)
FRAME = re.compile(
    INDENT + r"\s{2,8}#\d{1,3} 0x[0-9a-f]+ in (?P<fn>.{1,300}?)"
    r" (?P<file>[^\s:()]{1,400}):(?P<line>\d{1,9})(?::\d{1,9})?$|\s{2,8}#\d{1,3}"
    r" (?P<tfn>.{1,300}?) (?P<tfile>[^\s:()]{1,400}):(?P<tline>\d{1,9})"
)
VALGRIND_FRAME = re.compile(
    r"==\d+==\s{4}(?:at|by) 0x[0-9A-F]+: (?P<fn>.{1,300}?)"
    r" \((?P<file>[^\s:()]{1,300}):(?P<line>\d{1,9})\)"
)
SUMMARY = re.compile(INDENT + r"SUMMARY: ")
REPORT_END = re.compile(
    rf"{SUMMARY.pattern}|{REPORT.pattern}".replace("(?P<tool>", "(?:").replace(
        "(?P<message>", "(?:"
    )
)
RUNTIME = re.compile(
    r"/(?:usr/include|usr/lib)|\.{2}/|/build/glibc|.*(?:sanitizer_common|compiler-rt|libsanitizer|sysdeps|csu/libc)|vg_replace_"
)
WEIGHT, UNCAUGHT_WEIGHT = 75, 70
MOST = 120
SHAPES = (
    (ASSERT, "assertion", "assert"),
    (ASSERT_BSD, "assertion", "assert"),
    (GLIBC, "crash", "glibc"),
)


def parse(log: Log) -> Iterator[Finding]:
    return falling(found for number in log.having(*MARKS) if (found := report(log, number)))


def report(log: Log, number: int) -> Finding | None:
    text = log.line(number)
    if match := REPORT.match(text):
        return sanitizer(log, number, tool=match["tool"], message=match["message"])
    if match := UNDEFINED.match(text):
        return crash(
            number, "sanitizer", "UndefinedBehaviorSanitizer", match, range(number, number + 3)
        )
    if match := VALGRIND.match(text):
        return valgrind(log, number, message=match["message"])
    if match := UNCAUGHT.match(text):
        return uncaught(log, number, match)
    return next(
        (
            crash(number, tool, kind, match, range(number, number + 1))
            for form, kind, tool in SHAPES
            if (match := form.match(text))
        ),
        None,
    )


def crash(number: int, tool: str, error_type: str, match: re.Match[str], cites: range) -> Finding:
    named = match.groupdict()
    frames = (
        (
            Frame(
                file=relative(named["file"]),
                line=int(named["line"]),
                function=named.get("fn") or "",
            ),
        )
        if named.get("line")
        else ()
    )
    return Finding(
        kind=Kind.ERROR,
        tool=tool,
        line=number,
        error_type=error_type,
        message=match["message"],
        cites=tuple(cites),
        frames=frames,
        weight=WEIGHT,
    )


def sanitizer(log: Log, number: int, *, tool: str, message: str) -> Finding:
    lines = log.block(number + 1, until=REPORT_END, limit=MOST)
    traced = [n for n in lines if FRAME.match(log.line(n))]
    frames = own(frame for n in traced if (frame := frame_of(FRAME.match(log.line(n)))))
    kind = re.split(r" (?:on|\(pid|in)\b|: ", message)[0]
    summary = [lines.stop] if SUMMARY.match(log.line(lines.stop)) else []
    return Finding(
        kind=Kind.ERROR,
        tool="sanitizer",
        line=number,
        error_type=tool,
        message=f"{kind} in {frames[0].function} ({frames[0].file})" if frames else kind,
        cites=(number, *traced[:8], *summary),
        frames=frames,
        weight=WEIGHT,
    )


def valgrind(log: Log, number: int, *, message: str) -> Finding:
    lines = [n for n in range(number + 1, number + 14) if VALGRIND_FRAME.match(log.line(n))]
    frames = own(frame for n in lines if (frame := frame_of(VALGRIND_FRAME.match(log.line(n)))))
    return Finding(
        kind=Kind.ERROR,
        tool="valgrind",
        line=number,
        error_type="valgrind",
        message=message,
        cites=(number, *lines[:8]),
        frames=frames,
        weight=WEIGHT,
    )


def uncaught(log: Log, number: int, match: re.Match[str]) -> Finding:
    what = number + 1 if log.line(number + 1).lstrip("0123456789: ").startswith("what():") else 0
    said = log.line(what).partition("what():")[2].strip() if what else match["message"]
    named = re.search(r"of '?(?:type )?'?([\w:<>]+)'?", match["message"])
    return Finding(
        kind=Kind.ERROR,
        tool="c++",
        line=what or number,
        error_type=named[1] if named else "terminate",
        message=said,
        cites=(number, what) if what else (number,),
        weight=UNCAUGHT_WEIGHT,
    )


def frame_of(match: re.Match[str] | None) -> Frame | None:
    if not match:
        return None
    named = {name.removeprefix("t"): value for name, value in match.groupdict().items() if value}
    return Frame(file=relative(named["file"]), line=int(named["line"]), function=named["fn"])


def own(frames: Iterator[Frame]) -> tuple[Frame, ...]:
    """Frames outside the runtime's own functions and the system's headers, at most ten."""
    return tuple(
        dict.fromkeys(
            frame for frame in frames if not RUNTIME.match(frame.file) and not is_library(frame)
        )
    )[:10]
