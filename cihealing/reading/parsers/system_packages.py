"""Package managers of the system: apt and dpkg, apk, dnf and yum, pacman, Homebrew. The sentence
that names the package or the mirror, not its echo (`Sub-process … returned an error code`, `held
broken packages`). Sources: their messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.reading.forms import Form, first
from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

MARKS = (
    "E: ",
    "dpkg: error ",
    "have unmet dependencies",
    "ERROR: unable to select packages",
    "(no such package)",
    "temporary error (try again later)",
    "Unable to find a match: ",
    "Failed to download metadata for repo",
    "nothing provides ",
    "target not found: ",
    "No available formula",
    "no available formula",
    "Cannot find a valid baseurl",
)
FORMS = (
    Form(
        "apt",
        re.compile(
            r"(?P<message>E: (?:Failed to fetch |The repository |Version '|Package '|Unable to"
            r" locate|Couldn't find|Unable to acquire|Release file|Malformed|Type '|The list of"
            r" sources|The package |Unmet dependencies|Some index files).*)$"
        ),
        "apt",
        Kind.ERROR,
        70,
    ),
    Form(
        "dpkg",
        re.compile(r"(?P<message>dpkg: error (?:processing |opening ).*)$"),
        "apt",
        Kind.ERROR,
        71,
    ),
    Form(
        "apt",
        re.compile(r"(?P<message>The following packages have unmet dependencies:)$"),
        "apt",
        Kind.ERROR,
        71,
    ),
    Form(
        "apk",
        re.compile(
            r"(?P<message>(?:ERROR: unable to select packages:|ERROR: \S+ \(no such"
            r" package\).*|(?:WARNING: Ignoring|ERROR:) .*temporary error \(try again later\).*))$"
        ),
        "apk",
        Kind.ERROR,
        70,
    ),
    Form(
        "dnf",
        re.compile(
            r"(?P<message>Error: (?:Unable to find a match: |Failed to download metadata for"
            r" repo).*|.{0,80}nothing provides .+|Cannot find a valid baseurl.*)$"
        ),
        "dnf",
        Kind.ERROR,
        70,
    ),
    Form(
        "pacman", re.compile(r"(?P<message>error: target not found: .+)$"), "pacman", Kind.ERROR, 70
    ),
    Form(
        "brew",
        re.compile(r"(?P<message>(?:Error|Warning): .{0,80}[Nn]o available formula.*)$"),
        "brew",
        Kind.ERROR,
        68,
    ),
    # echoes: worth a line where the cause is missing
    Form(
        "apt",
        re.compile(
            r"(?P<message>E: (?:Sub-process |Could not (?:get|open) lock|Unable to correct"
            r" problems|Unable to fetch some archives|Broken packages).*)$"
        ),
        "apt",
        Kind.ERROR,
        60,
    ),
)
BELOW = re.compile(r"(?!\s+\S).*")
MOST_BELOW = 8


def parse(log: Log) -> Iterator[Finding]:
    return (found for number in log.having(*MARKS) if (found := refusal(log, number)))


def refusal(log: Log, number: int) -> Finding | None:
    """With the lines below that name the packages; a head that ends in a colon says them instead of
    itself.
    """
    found = first(FORMS, log.line(number), number)
    if not found:
        return None
    below = log.block(number + 1, until=BELOW, limit=MOST_BELOW)
    named = log.line(number + 1).strip() if found.message.endswith(":") and len(below) else ""
    return Finding(
        kind=found.kind,
        tool=found.tool,
        line=number,
        error_type=found.error_type,
        message=f"{found.message} {named}".strip(),
        cites=(number, *below),
        weight=found.weight,
    )
