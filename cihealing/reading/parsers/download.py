"""curl, wget and the archive that was none: the download's own error, before what stumbles over its
result. Sources: curl's and GNU wget's messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = (
    "curl: (",
    " ERROR 4",
    " ERROR 5",
    "wget: ",
    "not in gzip format",
    "does not look like a tar archive",
    "End-of-central-directory signature not found",
)
CURL = re.compile(r"curl: \((?P<code>\d{1,3})\) (?P<message>.+)$")
WGET = re.compile(
    r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d )?(?P<message>ERROR (?P<code>[45]\d\d): .+)$|wget:"
    r" (?P<said>(?:unable to resolve|server returned error|bad address|can't connect).+)$"
)
REQUEST = re.compile(r"--\d{4}-\d\d-\d\d \d\d:\d\d:\d\d--\s+(?P<url>\S+)")
ARCHIVE = re.compile(
    r"(?:gzip: .{1,200}: not in gzip format|(?:bsd)?tar: .{0,100}does not look like a tar"
    r" archive|\s*End-of-central-directory signature not found)"
)
CURL_WEIGHT, ARCHIVE_WEIGHT = 64, 60
"""Scripts try downloads again: a later error of another tool weighs as much."""


def parse(log: Log) -> Iterator[Finding]:
    return (found for number in log.having(*MARKS) if (found := failed(log, number)))


def failed(log: Log, number: int) -> Finding | None:
    text = log.line(number)
    if match := CURL.match(text):
        return finding(
            "curl", number, f"curl-{match['code']}", match["message"], CURL_WEIGHT, number
        )
    if match := WGET.match(text):
        request = next(
            (n for n in range(number - 1, max(0, number - 10), -1) if REQUEST.match(log.line(n))),
            number,
        )
        return finding(
            "wget",
            number,
            f"http-{match['code']}" if match["code"] else "wget",
            match["message"] or match["said"],
            CURL_WEIGHT,
            request,
        )
    return (
        finding("archive", number, "archive", text.strip(), ARCHIVE_WEIGHT, number)
        if ARCHIVE.match(text)
        else None
    )


def finding(
    tool: str, number: int, error_type: str, message: str, weight: int, first: int
) -> Finding:
    return Finding(
        kind=Kind.ERROR,
        tool=tool,
        line=number,
        error_type=error_type,
        message=message,
        cites=tuple(sorted({first, number})),
        weight=weight,
    )
