"""What became of files as a patch, in git's own form and byte for byte."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

NO_END = "\\ No newline at end of file"
NULL = "/dev/null"
PLAIN = "100644"


@dataclass(frozen=True, kw_only=True)
class FileState:
    """A file at one side of a patch."""

    path: str
    content: bytes
    mode: str = PLAIN


@dataclass(frozen=True, kw_only=True)
class FilePatch:
    """`before` None: it is new; `after` None: it is deleted."""

    before: FileState | None
    after: FileState | None


def written(changes: list[FilePatch]) -> str:
    """A patch for `git apply`; bytes that are no UTF-8 are as `surrogateescape` has them."""
    return "".join(_file(change) for change in changes if change.before != change.after)


def _file(change: FilePatch) -> str:
    before, after = change.before, change.after
    known = before or after
    assert known is not None
    old, new = (before or known).path, (after or known).path
    head = [f"diff --git a/{old} b/{new}", *_facts(before, after)]
    old_name, new_name = (
        NULL if side is None else f"{prefix}/{side.path}" + ("\t" if " " in side.path else "")
        for prefix, side in (("a", before), ("b", after))
    )
    here, there = (_lines(side.content if side else b"") for side in (before, after))
    body = "".join(_ended(line) for line in difflib.unified_diff(here, there, old_name, new_name))
    return "".join(f"{line}\n" for line in head) + body


def _facts(before: FileState | None, after: FileState | None) -> Iterator[str]:
    if before is None and after is not None:
        yield f"new file mode {after.mode}"
    elif after is None and before is not None:
        yield f"deleted file mode {before.mode}"
    elif before is not None and after is not None:
        if before.mode != after.mode:
            yield f"old mode {before.mode}"
            yield f"new mode {after.mode}"
        if before.path != after.path:
            yield f"rename from {before.path}"
            yield f"rename to {after.path}"


def _lines(content: bytes) -> list[str]:
    """Only a line feed ends a line, as for git."""
    pieces = content.decode("utf-8", "surrogateescape").split("\n")
    last = pieces.pop()
    return [f"{piece}\n" for piece in pieces] + ([last] if last else [])


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n{NO_END}\n"
