"""Ginkgo: `[FAIL] container [It] spec`, told once with its message and once in the summary. Source:
ginkgo 1 and 2, its default reporter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.frames import relative
from cihealing.reading.log import Log

MARKS = ("[FAILED] ", "[FAIL] ", "[Fail] ", "[PANICKED!] ", "[Panic!] ", "[TIMEDOUT] ")
SUMMED = re.compile(r"\s{0,2}\[(?P<how>FAIL|Fail|PANICKED!|Panic!|TIMEDOUT)\] (?P<name>\S.*)$")
PLACE = re.compile(r"\s{0,2}(?P<file>\S{1,400}\.go):(?P<line>\d{1,9})$")
WHERE = re.compile(r"\s{0,4}In \[\w+\] at: (?P<place>\S{1,400}\.go:\d{1,9})")

FAILED = Saying(("FAIL! -- ",), re.compile(r"FAIL! -- (?:Interrupted by .* -- )?\d+ Passed"))
PASSED = Saying(("SUCCESS! -- ",), re.compile(r"SUCCESS! -- \d+ Passed"))


def parse(log: Log) -> Iterator[Finding]:
    """The summary names each failed spec above its place; what it said stands further up, above the
    same place.
    """
    said = dict(messages(log))
    for number in log.having(*MARKS[1:]):
        match, place = SUMMED.match(log.line(number)), PLACE.match(log.line(number + 1))
        if match and place:
            lines = said.get(log.line(number + 1).strip(), range(number, number))
            yield Finding(
                kind=Kind.TEST,
                tool="ginkgo",
                line=lines.start,
                error_type="panic" if match["how"].startswith("P") else "TestFailed",
                message=" ".join(log.line(n).replace("[FAILED] ", "").strip() for n in lines)[:300],
                test=match["name"].strip(),
                file=place["file"],
                cites=(*lines, number, number + 1),
                frames=(Frame(file=relative(place["file"]), line=int(place["line"]), function=""),),
            )


def messages(log: Log) -> Iterator[tuple[str, range]]:
    for number in log.having("[FAILED] "):
        if log.line(number).lstrip().startswith("[FAILED] "):
            lines = log.block(number, until=WHERE, limit=15)
            if where := WHERE.match(log.line(lines.stop)):
                yield where["place"], lines
