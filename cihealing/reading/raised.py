"""Python's tracebacks: where they stand, what they raise, which exception of a chain came first.
Source: CPython's `traceback` module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cihealing.reading.log import Log

START = "Traceback (most recent call last)"
DIRECT = "The above exception was the direct cause of the following exception"
MAX_TRACE = 400
JOINT = 4
"""Lines that may stand between two tracebacks of one chain."""
RAISED = re.compile(
    r"(?P<type>(?=[A-Za-z_])[\w.]{0,200}(?:Error|Exception|Exit|Interrupt|Warning|Failure|Failed|Timeout|NotFound|DoesNotExist|Refused|Denied|Fault|Group))(?::"
    r" (?P<message>.*)|:?$)"
)
LAST = re.compile(
    r"(?P<type>(?:[A-Za-z_]\w{0,99}\.){1,12}[A-Za-z_]\w{0,99}|[A-Z]\w{0,99})(?::"
    r" ?(?P<message>.*)|$)"
)
"""The last line of a traceback: any class may be raised, whatever its name ends in."""
WRAPPED = re.compile(r'"[^"]{1,500}",$|line \d{1,9}, in |File$')
"""A frame that was broken to fit a narrow terminal."""
INSIDE = (" ", "\t", "|", "+", "")
LEAF = re.compile(r"[\s|]{0,80}\| (?P<text>\S.*)$")


def raised(line: str) -> tuple[str, str] | None:
    """Type (without its module) and message of a line such as `pkg.FooError: text`."""
    return parts(RAISED.match(line))


def parts(found: re.Match[str] | None) -> tuple[str, str] | None:
    return (found["type"].rpartition(".")[2], found["message"] or "") if found else None


@dataclass(frozen=True, slots=True)
class Trace:
    start: int
    end: int
    """The line of the exception."""
    error_type: str
    message: str

    @property
    def lines(self) -> range:
        return range(max(self.start, self.end - 60), self.end + 1)


def trace(log: Log, start: int) -> Trace | None:
    """The traceback whose first line is `start`; None where its exception is not to be found."""
    prefix = log.line(start).partition(START)[0]
    if "Exception Group" in prefix:
        return group(log, start)
    for number in range(start + 1, min(start + MAX_TRACE, len(log) + 1)):
        if START in log.line(number):
            return None
        text = below(log.line(number), prefix)
        if text[:1] in INSIDE:
            continue
        error = raised(text)
        if error is None and (is_source(log, number) or WRAPPED.match(text)):
            continue
        error = error or parts(LAST.match(text))
        return Trace(start, number, *error) if error else None
    return None


def is_source(log: Log, number: int) -> bool:
    """Whether a line, whatever its indent, is the code of the frame above it, or a frame."""
    return any(log.line(n).lstrip(" |").startswith('File "') for n in (number, number - 1))


def below(line: str, prefix: str) -> str:
    """The line without what stands before the traceback's first word: an indent, a container's
    name, or (on the first line only) a log level.
    """
    if line.startswith(prefix):
        return line[len(prefix) :]
    return line if prefix.strip() else "" if not line.strip() else line.lstrip()


def group(log: Log, start: int) -> Trace | None:
    """An exception group says nothing of its own: the first exception in it does."""
    found: Trace | None = None
    for number in range(start + 1, min(start + MAX_TRACE, len(log) + 1)):
        text = log.line(number)
        if not text.lstrip().startswith(("|", "+")):
            break
        match = LEAF.match(text)
        error = (
            raised(match["text"]) or parts(LAST.match(match["text"]))
            if match and not match["text"].startswith("File ")
            else None
        )
        if error and START not in text:
            found = Trace(start, number, *error)
            if not error[0].endswith("Group"):
                break
    return found


def traces(log: Log, starts: Iterable[int]) -> Iterator[Trace]:
    return (found for start in starts if (found := trace(log, start)))


def within(log: Log, lines: range) -> list[Trace]:
    """The tracebacks of a block of lines."""
    return list(traces(log, (number for number in lines if START in log.line(number))))


def chains(log: Log, found: Iterable[Trace]) -> Iterator[list[Trace]]:
    """Tracebacks that stand under each other, first raised first."""
    chain: list[Trace] = []
    for each in found:
        if chain and not joint(log, chain[-1], each):
            yield chain
            chain = []
        chain.append(each)
    if chain:
        yield chain


def joint(log: Log, first: Trace, second: Trace) -> str:
    """The sentence between two tracebacks of one chain; empty where they have nothing to do with
    each other.
    """
    between = (
        log.line(n).strip(" |")
        for n in range(max(first.end + 1, second.start - JOINT), second.start)
    )
    return next(
        (
            text
            for text in between
            if text.startswith(("The above exception was", "During handling of the above"))
        ),
        "",
    )


def origin(log: Log, chain: Sequence[Trace]) -> Trace:
    """What went wrong first: an exception another was raised `from` is its reason, unless that
    other one repeats it and says more; one that was only being handled may be daily business.
    """
    at = len(chain) - 1
    while (
        at > 0
        and joint(log, chain[at - 1], chain[at]).startswith(DIRECT)
        and not repeats(chain[at].message, chain[at - 1].message)
    ):
        at -= 1
    return chain[at]


def repeats(message: str, cause: str) -> bool:
    return not cause or (cause[:60] in message and len(message) > len(cause))
