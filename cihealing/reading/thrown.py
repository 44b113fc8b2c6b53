"""How JavaScript's test runners state an error: its type and message on the first line below a
test's name, what was expected below that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cihealing.reading.log import Log

ERROR = re.compile(
    r"\s*(?:Uncaught"
    r" )?(?P<type>(?=[A-Z])[\w.]{0,80}(?:Error|Exception|Failure|Failed|Rejection|Timeout)"
    r"|Invariant"
    r" Violation)(?: \[\w{1,60}\])?(?:: (?P<message>.*)|:?$)"
)
ASSERTED = ("expect", "assert", "Expected ", "expected ")
SHOWN = 15
"""Lines of a failure that are worth showing: message, difference, the first frames."""


def thrown(line: str) -> tuple[str, str]:
    """Type and message of an error's first line."""
    error = ERROR.match(line)
    said = line.strip()
    if error:
        return error["type"].rpartition(".")[2], error["message"] or ""
    return ("AssertionError" if said.startswith(ASSERTED) else "Error"), said


def written(log: Log, lines: range) -> list[int]:
    """The lines that are not empty."""
    return [n for n in lines if log.line(n).strip()]


def cited(*heads: int, below: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted({*heads, *below[:SHOWN]}))
