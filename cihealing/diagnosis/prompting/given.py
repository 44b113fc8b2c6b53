"""A unified diff as a model gives it: read as git reads it where it is well formed, and by its
structure where its counts are wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from cihealing.guard.change import Unreadable, spelled_pairs, unquoted
from cihealing.texts import TextLine

HUNK = re.compile(
    r"@@ -(?P<old>\d{1,9})(?:,(?P<olds>\d{1,9}))? \+(?P<new>\d{1,9})(?:,(?P<news>\d{1,9}))? @@"
    r" ?(?P<heading>.*)"
)
SLOPPY = re.compile(r"@@(?:[^@]*@@ ?(?P<heading>.*))?")
FACT = re.compile(
    r"(old mode|new mode|new file mode|deleted file mode|rename from|rename to|copy from|copy to)"
    r" (.+)"
)
FENCE = re.compile(r"(?P<indent>\s*)(?:```|~~~)")
NULL = "/dev/null"
NO_END = "\\ "


class NotApplicable(Exception):
    """The answer cannot be turned into a patch; the message says why, for people and for the next
    attempt.
    """


@dataclass(frozen=True, kw_only=True)
class GivenHunk:
    """Lines that stand one after another, each with its sign. `start` is where they stand in the
    file before and after, from 1; 0: not said.
    """

    lines: tuple[tuple[str, TextLine], ...]
    old_start: int = 0
    new_start: int = 0
    heading: str = ""
    """What encloses it, as far as it is said."""

    @property
    def before(self) -> list[TextLine]:
        return [line for sign, line in self.lines if sign != "+"]

    @property
    def after(self) -> list[TextLine]:
        return [line for sign, line in self.lines if sign != "-"]


@dataclass(kw_only=True)
class Section:
    """One file of a diff; names as they are spelt there, None where there is no such side."""

    old: str | None = None
    new: str | None = None
    pair: str = ""
    """Both names of the line `diff --git`."""
    facts: dict[str, str] = field(default_factory=dict)
    hunks: list[GivenHunk] = field(default_factory=list)


def sections(diff: str) -> list[Section]:
    """The files of a diff in their order. Raises NotApplicable."""
    reader = _Reader(_lines(diff))
    try:
        found = list(_sections(reader))
    except Unreadable as error:
        raise NotApplicable(f"the diff cannot be read: {error}") from None
    if not found:
        raise NotApplicable("the answer holds neither edits nor a unified diff")
    return found


def _lines(diff: str) -> list[str]:
    """Without the line ends and the indentation of what it was wrapped in."""
    lines = diff.split("\n")
    if lines[-1] == "":
        lines.pop()
    if lines and all(line.endswith("\r") for line in lines):
        lines = [line[:-1] for line in lines]
    first = next((n for n, line in enumerate(lines) if _is_head(lines, n) or FENCE.match(line)), 0)
    fence = FENCE.match(lines[first]) if lines else None
    return [line.removeprefix(fence["indent"]) for line in lines] if fence else lines


@dataclass
class _Reader:
    lines: list[str]
    at: int = 0

    @property
    def line(self) -> str | None:
        return self.lines[self.at] if self.at < len(self.lines) else None

    def takes(self, prefix: str) -> str | None:
        """What follows `prefix` on this line, which is then read; None: it begins otherwise."""
        line = self.line
        if line is None or not line.startswith(prefix):
            return None
        self.at += 1
        return line.removeprefix(prefix).removesuffix("\r")


def _is_head(lines: list[str], at: int) -> bool:
    """Whether a file begins here."""
    if lines[at].startswith("diff --git "):
        return True
    named = [line[:4] for line in lines[at : at + 2]] == ["--- ", "+++ "]
    return named and (at + 2 >= len(lines) or lines[at + 2].startswith("@@"))


def _sections(reader: _Reader) -> Iterator[Section]:
    while reader.line is not None:
        if _is_head(reader.lines, reader.at):
            yield _section(reader)
        else:
            reader.at += 1


def _section(reader: _Reader) -> Section:
    section = Section(pair=reader.takes("diff --git ") or "")
    _read_facts(reader, section)
    old = reader.takes("--- ")
    new = reader.takes("+++ ") if old is not None else None
    moved = "rename from" in section.facts or "copy from" in section.facts
    if old is not None and new is not None and not moved:
        section.old, section.new = _name(old), _name(new)
    else:
        _name_by_facts(section)
    while (line := reader.line) is not None and not _is_head(reader.lines, reader.at):
        if line.startswith("@@"):
            section.hunks.append(_hunk(reader))
        elif line.startswith(("Binary files ", "GIT binary patch")):
            raise NotApplicable("the diff changes a binary file")
        else:
            reader.at += 1
    return section


def _read_facts(reader: _Reader, section: Section) -> None:
    while (line := reader.line) is not None and not line.startswith(("--- ", "@@", "diff --git ")):
        if fact := FACT.fullmatch(line.rstrip()):
            section.facts[fact[1]] = fact[2]
        elif not line.startswith(("index ", "similarity index ", "dissimilarity index ")):
            return
        reader.at += 1


def _name_by_facts(section: Section) -> None:
    """Renames, modes and empty files have no lines that name them but their header."""
    facts = section.facts
    moved = [facts.get(f"{word} from") for word in ("rename", "copy")]
    if any(moved):
        word = "rename" if moved[0] else "copy"
        section.old = unquoted(facts[f"{word} from"])
        section.new = unquoted(facts.get(f"{word} to", ""))
        return
    said = [pair for pair in spelled_pairs(section.pair) if pair[0] == pair[1]]
    half = section.pair[: len(section.pair) // 2]
    same = half if section.pair == f"{half} {half}" else ""
    name = said[0][0] if said else same
    section.old = None if "new file mode" in facts else name
    section.new = None if "deleted file mode" in facts else name


def _name(said: str) -> str | None:
    name = unquoted(said.split("\t")[0].strip())
    return None if name == NULL else name


def _hunk(reader: _Reader) -> GivenHunk:
    head = (reader.line or "").removesuffix("\r")
    reader.at += 1
    said = HUNK.match(head)
    if said is None:
        sloppy = SLOPPY.match(head)
        return GivenHunk(lines=_by_structure(reader), heading=(sloppy and sloppy["heading"]) or "")
    counts = [1 if said[name] is None else int(said[name]) for name in ("olds", "news")]
    start = reader.at
    lines = _by_counts(reader, *counts)
    if lines is None:
        reader.at = start
        lines = _by_structure(reader)
    return GivenHunk(
        lines=lines,
        old_start=int(said["old"]),
        new_start=int(said["new"]),
        heading=said["heading"].strip(),
    )


SignedLines = tuple[tuple[str, TextLine], ...]


def _by_counts(reader: _Reader, old: int, new: int) -> SignedLines | None:
    """None where the counts do not fit what stands there."""
    found: list[tuple[str, TextLine]] = []
    while old > 0 or new > 0:
        line = reader.line
        if line is None or not _take(found, line):
            return None
        reader.at += 1
        if line[:1] != "\\":
            old, new = old - (line[:1] != "+"), new - (line[:1] != "-")
    while reader.line is not None and reader.line.startswith(NO_END):
        _take(found, reader.line)
        reader.at += 1
    return tuple(found) if old == new == 0 and _ends(reader) else None


def _ends(reader: _Reader) -> bool:
    line = reader.line
    goes_on = line is not None and line[:1] in (" ", "+", "-") and bool(line.strip())
    return not goes_on or _is_head(reader.lines, reader.at) or _is_signature(reader)


def _is_signature(reader: _Reader) -> bool:
    """As `git format-patch` ends a mail."""
    rest = reader.lines[reader.at :]
    return bool(rest) and rest[0].rstrip() == "--" and len([line for line in rest if line]) <= 2


def _by_structure(reader: _Reader) -> SignedLines:
    """Up to the next hunk or file; empty lines before those belong to nothing. Raises
    NotApplicable.
    """
    found: list[tuple[str, TextLine]] = []
    while (line := reader.line) is not None and not line.startswith("@@"):
        if _is_head(reader.lines, reader.at) or _is_signature(reader) or FENCE.match(line[:3]):
            break
        if not _take(found, line):
            if line.startswith(("Index: ", "index ", "=====")):
                break
            raise NotApplicable(f"line {reader.at + 1} of the diff is no line of a hunk")
        reader.at += 1
    blanks = [n for n, line in enumerate(reader.lines[: reader.at]) if line]
    spare = reader.at - 1 - (blanks[-1] if blanks else -1)
    return tuple(found[: len(found) - spare])


def _take(found: list[tuple[str, TextLine]], line: str) -> bool:
    """Whether it is a line of a hunk; then it is among `found`."""
    if line.startswith(NO_END) and found:
        sign, last = found[-1]
        found[-1] = (sign, TextLine(last.text + last.end[:-1], ""))
        return True
    sign, text = (line[0], line[1:]) if line else (" ", "")
    if line == "\r":
        sign, text = " ", "\r"
    if sign not in (" ", "+", "-"):
        return False
    bare, end = (text[:-1], "\r\n") if text.endswith("\r") else (text, "\n")
    found.append((sign, TextLine(bare, end)))
    return True
