"""Terraform and OpenTofu, tflint: diagnostics in a box (`│ Error: …`) or, before 0.15, without;
failed `run` blocks of `terraform test`. Source: internal/command/format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Frame
from cihealing.reading.forms import falling
from cihealing.reading.found import Finding, Kind, Saying
from cihealing.reading.frames import relative
from cihealing.reading.log import Log

PLACED = (".tf line ", ".tofu line ", ".hcl line ")
MARKS = ("│ Error: ", *PLACED, '"... fail', "Error: ", "Terraform", "OpenTofu")
BOXED = re.compile(r"\s{0,4}│ Error: (?P<message>.+)$")
BOX_END = re.compile(r"\s{0,4}╵")
PLACE = re.compile(
    r"(?:\s{0,4}│)?\s+on (?P<file>\S.{0,300}?) line (?P<line>\d{1,9})(?:, in (?P<block>.+?))?:"
)
ALONE = re.compile(r"Error: (?P<message>.+)$")
BARE = re.compile(r"(?:[A-Z]\w{0,12}: )?Error: (?P<message>.+)$")
RUN = re.compile(r'\s+run "(?P<name>[^"]{1,200})"\.\.\. fail$')
TEST_FILE = re.compile(r"(?P<file>\S{1,300}\.tf(?:test|mock)\.(?:hcl|json))\.\.\. ")
WEIGHT = 70
FAILED = Saying(("Failure! ",), re.compile(r"Failure! \d+ passed, [1-9]\d* failed"))
PASSED = Saying(
    ("Success! ", "Apply complete! ", "No changes. "),
    re.compile(
        r"Success! (?:The configuration is valid|\d+ passed, 0 failed)|Apply complete! Resources:"
        r" |No changes\. "
    ),
)


def parse(log: Log) -> Iterator[Finding]:
    yield from falling(found for n in log.having("│ Error: ") if (found := boxed(log, n)))
    yield from falling(plain(log))
    yield from (found for n in log.having('"... fail') if (found := failed_run(log, n)))


def boxed(log: Log, number: int) -> Finding | None:
    if not (match := BOXED.match(log.line(number))):
        return None
    return finding(log, number, match["message"], lines=log.block(number, until=BOX_END, limit=30))


def plain(log: Log) -> Iterator[Finding]:
    """Diagnostics without a box: those with a place, and, where Terraform is named, those that
    stand alone between empty lines.
    """
    placed = [found for n in log.having(*PLACED) if (found := bare(log, n))]
    known = {found.line for found in placed}
    heads = log.having("Error: ") if log.having("Terraform", "OpenTofu") else []
    alone = (
        n
        for n in heads
        if n not in known and not log.line(n - 1).strip() and not log.line(n + 1).strip()
    )
    lonely = [
        finding(log, n, match["message"], lines=range(n, n + 8))
        for n in alone
        if (match := ALONE.match(log.line(n)))
    ]
    yield from sorted([*placed, *lonely], key=lambda found: found.line)


def bare(log: Log, number: int) -> Finding | None:
    """The old form: the error's line, an empty one, then the place."""
    if not PLACE.match(log.line(number)) or "│" in log.line(number):
        return None
    head = next(
        (n for n in range(number - 1, max(0, number - 5), -1) if BARE.match(log.line(n))), 0
    )
    match = BARE.match(log.line(head))
    return finding(log, head, match["message"], lines=range(head, number + 5)) if match else None


def finding(log: Log, number: int, message: str, *, lines: range) -> Finding:
    place = next((match for n in lines if (match := PLACE.match(log.line(n)))), None)
    frames = (
        (
            Frame(
                file=relative(place["file"]),
                line=int(place["line"]),
                function=(place["block"] or "")[:200],
            ),
        )
        if place
        else ()
    )
    said = [n for n in lines if log.line(n).strip(" │")]
    return Finding(
        kind=Kind.ERROR,
        tool="terraform",
        line=number,
        error_type="terraform",
        message=message.strip(),
        file=place["file"] if place else "",
        cites=tuple(said[:14]),
        frames=frames,
        weight=WEIGHT,
    )


def failed_run(log: Log, number: int) -> Finding | None:
    if not (match := RUN.match(log.line(number))):
        return None
    head = next(
        (
            file
            for n in range(number - 1, max(0, number - 60), -1)
            if (file := TEST_FILE.match(log.line(n)))
        ),
        None,
    )
    name = f"{head['file']}: {match['name']}" if head else match["name"]
    return Finding(
        kind=Kind.TEST,
        tool="terraform",
        line=number,
        error_type="TestFailed",
        test=name,
        weight=WEIGHT - 2,
    )
