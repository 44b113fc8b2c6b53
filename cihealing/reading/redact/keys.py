"""Private keys in PEM, OpenPGP, SSH2 and PuTTY form: whole, without end or beginning, indented,
quoted, behind time stamps.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator

from cihealing.reading.redact.spans import MARKER, Span

BEGIN = re.compile(
    r"-{4,5} ?BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)? ?-{4,5}|PuTTY-User-Key-File-\d:"
    r" [\w-]{0,40}"
)
END = re.compile(
    r"-{4,5} ?END (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)? ?-{4,5}|Private-MAC:"
    r" [0-9a-f]{8,64}"
)
MAX_KEY = 40_000
MAX_LINES = 400
BODY = re.compile(
    r"[A-Za-z0-9+/]{16,}={0,2}(?:\\?[rn]|[\"',+\s\\])*$|[A-Za-z0-9+/]{2,}={1,2}(?:\\?[rn]|[\"',+\s\\])*$|=[A-Za-z0-9+/]{4}$"
)
ALONE = re.compile(r"[\s\"',+|>#]{0,80}[A-Za-z0-9+/=]{4,80}[\s\"',+\\]{0,20}$")
HEADER = re.compile(
    r"(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|Subject|Encryption|Public-Lines|Private-Lines|Key-Derivation|Argon2-\w{1,12}):"
    r" ?.{0,200}$"
)
SAME_LINE = re.compile(r"(?:\\{1,4}[rn]|[A-Za-z0-9+/=\s]){1,20000}")


def key_spans(text: str) -> Iterator[Span]:
    if "PRIVATE KEY" not in text and "PuTTY-User-Key-File" not in text:
        return
    begins = [(m.start(), m.end()) for m in BEGIN.finditer(text)]
    ends = [(m.start(), m.end()) for m in END.finditer(text)]
    starts = [start for start, _ in begins]
    closed = set()
    for n, (start, inside) in enumerate(begins):
        at = bisect.bisect_left(ends, (inside, 0))
        until = starts[n + 1] if n + 1 < len(begins) else len(text)
        if (
            at < len(ends)
            and ends[at][0] <= min(until, inside + MAX_KEY)
            and is_key(text[inside : ends[at][0]])
        ):
            closed.add(at)
            yield start, ends[at][1], "private-key"
        else:
            yield from truncated(text, start, inside)
    for n, (start, end) in enumerate(ends):
        if n not in closed:
            yield from headless(text, start, end)


def is_key(body: str) -> bool:
    """Most of what stands between the marks is key, not another text that lies between two mentions
    of them.
    """
    lines = [line for line in re.split(r"\n|\\n", body) if line.strip()]
    return (
        0 < len(lines) <= MAX_LINES
        and 2 * sum(of_key(line) or bool(ALONE.match(line)) for line in lines) >= len(lines)
        and not MARKER.search(body)
    )


def of_key(line: str) -> bool:
    word = line[-300:].rstrip()
    return bool(BODY.search(word.rsplit(" ", 1)[-1]) or HEADER.search(word))


def truncated(text: str, start: int, end: int) -> Iterator[Span]:
    """A key whose end is missing: as far as its lines look like one."""
    rest = SAME_LINE.match(text, end, line_end(text, end))
    until = rest.end() if rest else end
    if until == line_end(text, end):
        for _ in range(MAX_LINES):
            stop = line_end(text, until + 1)
            line = text[until + 1 : stop]
            if until >= len(text) or not (
                of_key(line)
                or (
                    len(line) < 2
                    and stop < len(text)
                    and of_key(text[stop + 1 : line_end(text, stop + 1)])
                )
            ):
                break
            until = stop
    if until - end >= 16:
        yield start, until, "private-key"


def headless(text: str, start: int, end: int) -> Iterator[Span]:
    """A key whose beginning is missing."""
    top = text.rfind("\n", 0, start) + 1
    begun = top
    for _ in range(MAX_LINES):
        above = text.rfind("\n", max(0, begun - 2000), max(0, begun - 1)) + 1
        if begun == 0 or above >= begun or not of_key(text[above : begun - 1]):
            break
        begun = above
    if begun < top:
        yield begun, end, "private-key"
    elif before := re.search(
        r"(?:\\{1,4}[rn]|[A-Za-z0-9+/=]){24,}$", text[max(top, start - 8000) : start]
    ):
        yield start - len(before[0]), end, "private-key"


def line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
