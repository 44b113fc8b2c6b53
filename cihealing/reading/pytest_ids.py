"""How pytest names tests, in each of the places where it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cihealing.reading.found import Finding

COLLECTING = ("ERROR collecting ", "ERROR at setup of ", "ERROR at teardown of ")


@dataclass(frozen=True, slots=True)
class SummaryLine:
    line: int
    test: str
    message: str


def leaf(test: str) -> str:
    """What a failure's header and its summary line have in common."""
    head, bracket, parameters = subtest(test).partition("[")
    return re.split(r"::|\.(?=[A-Za-z_]\w*$)", head)[-1] + bracket + parameters


def named(blocks: list[Finding], summaries: list[SummaryLine]) -> Iterator[Finding]:
    """Headers say `TestA.test_b`; the summary knows the full id, in the same order."""
    ids: dict[str, list[str]] = {}
    for summary in summaries:
        ids.setdefault(leaf(summary.test), []).append(summary.test)
    for finding in blocks:
        known = ids.get(leaf(finding.test), [])
        test = known.pop(0) if len(known) > 1 else (known[0] if known else finding.test)
        yield replaced(finding, test)


def replaced(finding: Finding, test: str) -> Finding:
    return replace(finding, test=test)


def subtest(test: str) -> str:
    """A sub-test's values stand behind a blank; no test's name has one before its parameters."""
    head, blank, _ = test.partition(" ")
    return head if blank and head[-1:] != "," and "[" not in head else test


def split_id(text: str) -> tuple[str, str]:
    """Parameters may hold ` - ` too, so the end of the brackets is looked for first."""
    start = text.find("] - ") + 1 if "[" in text.partition(" - ")[0] and "] - " in text else 0
    head, _, message = text[start:].partition(" - ")
    return (text[:start] + head).strip(), message.strip()


def module_of(path: str) -> str:
    """The id a module that could not be collected has in JUnit reports: `tests.test_a`."""
    return path.removesuffix(".py").replace("/", ".").strip(".")


def test_name(header_name: str, file: str) -> str:
    for prefix in COLLECTING:
        if header_name.startswith(prefix):
            rest = header_name.removeprefix(prefix)
            return module_of(rest) if rest.endswith(".py") else test_name(rest, file)
    if header_name.startswith("[doctest] "):
        return header_name.removeprefix("[doctest] ")
    head, bracket, parameters = subtest(header_name).partition("[")
    name = head.replace(".", "::") + bracket + parameters
    return (
        f"{file}::{name}"
        if file
        and not file.startswith(("/", ".."))
        and not name.startswith("::")
        and "site-packages" not in file
        else name
    )
