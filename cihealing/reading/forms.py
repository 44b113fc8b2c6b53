"""Tools that state a fault in one line with its place: a form for each tool, and the search for
their lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cihealing.domain.values import Frame
from cihealing.reading.found import Finding, Kind
from cihealing.reading.frames import frames_of, relative
from cihealing.reading.log import Log

PATH = r"(?:[A-Za-z]:[\\/])?[^\s:()\[\]]{1,300}"
"""A path without blanks, on Windows with its drive."""

AFTER = re.compile(r"(?::(?:cell \d+:)?|\(|\[|:? (?:on )?line |\s{1,20})(?P<line>\d{1,9})\b")


@dataclass(frozen=True, slots=True)
class Form:
    """How a tool writes one fault. The pattern is matched from the start of a line; its groups:
    `message`, `file`, `rule`, and
    `line` where the number does not stand behind the file.
    """

    tool: str
    pattern: re.Pattern[str]
    error_type: str = "lint"
    kind: Kind = Kind.LINT
    weight: int = 0
    says: str = ""
    """The message where the line has none."""

    def finding(
        self, text: str, number: int, *, file: str = "", cites: tuple[int, ...] = ()
    ) -> Finding | None:
        match = self.pattern.match(text)
        if not match:
            return None
        named = match.groupdict()
        file = named.get("file") or file
        return Finding(
            kind=self.kind,
            tool=self.tool,
            line=number,
            error_type=self.error_type,
            message=(named.get("message") or self.says).strip(),
            file=file,
            rule=(named.get("rule") or "").strip("()"),
            cites=cites,
            frames=place(match, file),
            weight=self.weight,
        )


def place(match: re.Match[str], file: str) -> tuple[Frame, ...]:
    """The place a line names; nothing where it can be read from the line itself like those of all
    others (see frames.py).
    """
    if not file or frames_of([match.string]):
        return ()
    named = match.groupdict()
    after = AFTER.match(match.string, match.end("file")) if named.get("file") else None
    number = named.get("line") or (after["line"] if after else "")
    return (Frame(file=relative(file), line=int(number)),) if number else ()


def first(forms: Sequence[Form], text: str, number: int, *, file: str = "") -> Finding | None:
    """What the first form that fits makes of a line."""
    return next((found for form in forms if (found := form.finding(text, number, file=file))), None)


def falling(findings: Iterable[Finding]) -> Iterator[Finding]:
    """For tools whose first error is the cause of the others: those weigh one less."""
    for at, finding in enumerate(findings):
        yield replace(finding, weight=finding.rank - 1) if at else finding


def stated(log: Log, forms: Sequence[Form], marks: Sequence[str]) -> Iterator[Finding]:
    """The findings of all lines that hold one of the marks and have one of the forms."""
    for number in log.having(*marks):
        if found := first(forms, log.line(number), number):
            yield found


def under_headings(
    log: Log,
    forms: Sequence[Form],
    marks: Sequence[str],
    heading: re.Pattern[str],
    *,
    far: int = 300,
) -> Iterator[Finding]:
    """The same for tools that name a file once, in a heading (its group: `file`), and write its
    faults below, indented or in a table.
    """
    file, known = "", 0
    for number in log.having(*marks):
        if first(forms, log.line(number), number):
            file = headed(log, number, heading, stop=max(known, number - far)) or file
            known = number
            if file and (found := first(forms, log.line(number), number, file=file)):
                yield found


def headed(log: Log, number: int, heading: re.Pattern[str], *, stop: int) -> str:
    """The file of the nearest heading above a line; empty where there is none after line `stop`."""
    above = (heading.match(log.line(n)) for n in range(number - 1, stop, -1))
    return next((match["file"] for match in above if match), "")
