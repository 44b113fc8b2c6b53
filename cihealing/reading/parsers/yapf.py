"""yapf --diff: a diff for each file that it would write otherwise. Source: yapf/__init__.py and
yapf_api.py, versions 0.20 to 0.43.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.found import Finding, Kind
from cihealing.reading.frames import relative
from cihealing.reading.log import Log

MARKS = ("(reformatted)",)
HEAD = re.compile(r"\+\+\+ (?P<file>\S{1,400})\s{1,8}\(reformatted\)$")
HUNK = re.compile(r"@@ -(?P<line>\d{1,9})")
END = re.compile(r"--- \S{1,400}\s{1,8}\(original\)$|$|[^-+ @\\]")
MOST = 40
"""Lines of a diff that are shown."""


def parse(log: Log) -> Iterator[Finding]:
    for number in log.having(*MARKS):
        if head := HEAD.match(log.line(number)):
            stop = log.block(number + 1, until=END, limit=MOST).stop
            hunk = HUNK.match(log.line(number + 1))
            file = relative(head["file"])
            yield Finding(
                kind=Kind.LINT,
                tool="yapf",
                line=number,
                error_type="lint",
                message="would be reformatted",
                file=head["file"],
                cites=tuple(range(number - 1, stop)),
                frames=(Frame(file=file, line=int(hunk["line"]) if hunk else 1),),
            )
