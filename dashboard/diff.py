"""A unified diff as rows to show. It decides nothing about the patch: that is the guard's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
MOST_ROWS = 3000
LONGEST = 2000
"""Characters of one line that are shown."""


@dataclass(frozen=True, kw_only=True)
class Row:
    kind: str
    """`file`, `hunk`, `add`, `del`, `same` or `note`."""
    old: int | None = None
    new: int | None = None
    text: str = ""

    @property
    def mark(self) -> str:
        return {"add": "+", "del": "-"}.get(self.kind, "")


@dataclass(frozen=True, kw_only=True)
class Diff:
    rows: tuple[Row, ...]
    added: int
    removed: int
    cut: bool
    """True where rows were left out: what is shown is not the whole patch."""


def read(patch: str) -> Diff:
    rows: list[Row] = []
    cut = False
    for row in _rows(patch):
        if len(rows) == MOST_ROWS:
            cut = True
            break
        rows.append(row)
    added = sum(r.kind == "add" for r in rows)
    removed = sum(r.kind == "del" for r in rows)
    return Diff(
        rows=tuple(rows),
        added=added,
        removed=removed,
        cut=cut or any(len(r.text) > LONGEST for r in rows),
    )


@dataclass(kw_only=True)
class _Place:
    """Where in the old and the new file the next line stands, and how many lines of its hunk are
    still to come.
    """

    old: int = 0
    new: int = 0
    old_left: int = 0
    new_left: int = 0

    @property
    def inside(self) -> bool:
        return self.old_left > 0 or self.new_left > 0

    def enter(self, hunk: re.Match[str]) -> None:
        self.old, self.new = int(hunk[1]), int(hunk[3])
        self.old_left, self.new_left = int(hunk[2] or 1), int(hunk[4] or 1)

    def step(self, *, old: int, new: int) -> None:
        self.old, self.new, self.old_left, self.new_left = (
            self.old + old,
            self.new + new,
            self.old_left - old,
            self.new_left - new,
        )


def _rows(patch: str) -> Iterator[Row]:
    """Hunks are as long as their header says: a removed `-- x` is not taken for the header of a
    file, nor the other way round.
    """
    place = _Place()
    for line in patch.split("\n"):
        text = line if len(line) <= LONGEST else line[:LONGEST] + " …"
        if place.inside:
            yield _inside(text, place)
        elif hunk := HUNK.match(line):
            place.enter(hunk)
            yield Row(kind="hunk", text=text)
        elif line:
            yield Row(
                kind="file" if line.startswith(("diff --git ", "--- ", "+++ ")) else "note",
                text=text,
            )


def _inside(text: str, place: _Place) -> Row:
    old, new = place.old, place.new
    match text[:1]:
        case "+":
            place.step(old=0, new=1)
            return Row(kind="add", new=new, text=text[1:])
        case "-":
            place.step(old=1, new=0)
            return Row(kind="del", old=old, text=text[1:])
        case "\\":
            return Row(kind="note", text=text)
        case _:
            place.step(old=1, new=1)
            return Row(kind="same", old=old, new=new, text=text[1:])
