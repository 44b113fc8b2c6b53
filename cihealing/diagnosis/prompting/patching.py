"""An answer's edits as a unified diff. Models are bad at line numbers, so only text counts: it must
be found, and found once.

Exactly first, then with white space at line ends and indentation ignored; never anything fuzzier,
and never one match of several.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cihealing.diagnosis.prompting.answer import Answer, Edit

Read = Callable[[str], str | None]
HUNK = re.compile(r"^@@ -\d*(?:,\d+)? \+\d*(?:,\d+)? @@|^@@")
FENCE = re.compile(r"^\s*```[a-z]*\s*$", re.MULTILINE)
NO_END = "\\ No newline at end of file"
NULL = "/dev/null"


class NotApplicable(Exception):
    """The answer cannot be turned into a patch; the message says why, for people and for the next
    attempt.
    """


def to_diff(answer: Answer, read: Read) -> str:
    """A patch that `git apply` takes, against the files as `read` gives them (None: there is no
    such text file).

    Raises NotApplicable.
    """
    changed = _edited(answer.edits, read) if answer.edits else _patched(answer.diff, read)
    text = "".join(_diff(path, old, new) for path, (old, new) in changed.items())
    if not text:
        raise NotApplicable("the answer changes nothing")
    return text


Changed = dict[str, tuple[str | None, str | None]]
"""Path -> (content before, content after); None: no file."""


def _edited(edits: list[Edit], read: Read) -> Changed:
    changed: Changed = {}
    for edit in edits:
        path = plain_path(edit.path)
        old, now = changed[path] if path in changed else (read(path),) * 2
        changed[path] = (old, _replaced(path, now, edit))
    return changed


def _replaced(path: str, now: str | None, edit: Edit) -> str:
    if not edit.search:
        return _whole(now, edit.replace)
    if now is None:
        raise NotApplicable(f"{path} is no text file of the repository")
    first, last, indent = _place(now, edit.search, path)
    return (
        now[:first]
        + _fitted(edit.replace, indent, now, ends=now[first:last].endswith("\n"))
        + now[last:]
    )


def _whole(now: str | None, text: str) -> str:
    ended = text if text.endswith("\n") or not text else text + "\n"
    return _like(ended, now) if now else ended


def plain_path(path: str) -> str:
    """Relative, below the repository. Raises NotApplicable; what else may not be touched is the
    guard's business.
    """
    bare = path.strip().removeprefix("./")
    parts = bare.split("/")
    if (
        not bare
        or bare.startswith(("/", "~"))
        or "\\" in bare
        or any(p in ("", ".", "..") or p.lower() == ".git" for p in parts)
    ):
        raise NotApplicable(f"{path[:200]!r} is no path inside the repository")
    if not bare.isprintable() or '"' in bare:
        raise NotApplicable(f"{path[:200]!r} is no plain path")
    return bare


def _place(content: str, search: str, path: str) -> tuple[int, int, str]:
    """(start, end, indentation to add) of the one place where `search` stands. Raises
    NotApplicable.
    """
    wanted = _like(search, content)
    exact = content.count(wanted)
    if exact == 1:
        start = content.index(wanted)
        return start, start + len(wanted), ""
    if exact > 1:
        raise NotApplicable(f"the text to replace stands {exact} times in {path}")
    return _loose(content, search, path)


def _loose(content: str, search: str, path: str) -> tuple[int, int, str]:
    """Whole lines, compared without indentation and without white space at their ends."""
    lines, wanted = _lines(content), _trimmed(search)
    bare = [line.strip() for line in lines]
    key = [line.strip() for line in wanted]
    if not any(key):
        raise NotApplicable(f"the text to replace in {path} is empty")
    starts = [i for i in range(len(bare) - len(key) + 1) if bare[i : i + len(key)] == key]
    if len(starts) != 1:
        raise NotApplicable(
            f"the text to replace {'is not in' if not starts else f'stands {len(starts)} times in'}"
            f" {path}"
        )
    at = starts[0]
    begin = sum(len(line) for line in lines[:at])
    end = begin + sum(len(line) for line in lines[at : at + len(key)])
    return begin, end, _shift(lines[at : at + len(key)], wanted, path)


def _trimmed(search: str) -> list[str]:
    """The lines asked for, without empty ones at both ends."""
    lines = search.splitlines()
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _shift(found: list[str], wanted: list[str], path: str) -> str:
    """What must be put before every line: the same for all, else nobody can say how the replacement
    is indented.
    """
    pairs = [(_indent(a), _indent(b)) for a, b in zip(found, wanted, strict=True) if b.strip()]
    extra = {a.removesuffix(b) if a.endswith(b) else None for a, b in pairs}
    if len(extra) != 1 or None in extra:
        raise NotApplicable(f"the text to replace in {path} is indented in another way")
    return extra.pop() or ""


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _fitted(text: str, indent: str, content: str, *, ends: bool) -> str:
    shifted = (
        "".join(indent + line if line.strip() else line for line in _lines(text))
        if indent
        else text
    )
    return _like(
        shifted + ("\n" if ends and shifted and not shifted.endswith("\n") else ""), content
    )


def _like(text: str, content: str) -> str:
    """With the line ends of `content`."""
    unix = text.replace("\r\n", "\n")
    return (
        unix.replace("\n", "\r\n")
        if "\r\n" in content and content.count("\r\n") == content.count("\n")
        else unix
    )


def _lines(text: str) -> list[str]:
    """Only a line feed ends a line, as for git."""
    return [line + "\n" for line in text.split("\n")[:-1]] + (
        [text.rsplit("\n", 1)[-1]] if not text.endswith("\n") and text else []
    )


@dataclass(frozen=True, kw_only=True)
class Given:
    """One file of a given diff; each hunk as (text before, text after), line numbers forgotten."""

    old: str
    new: str
    hunks: tuple[tuple[str, str], ...]


def _patched(diff: str, read: Read) -> Changed:
    changed: Changed = {}
    for file in _files(FENCE.sub("", diff)):
        path = plain_path(file.new if file.new != NULL else file.old)
        if NULL not in (file.old, file.new) and file.old != file.new:
            raise NotApplicable(f"{path} is renamed, which a patch may not do")
        changed[path] = _hunked(path, file, *(changed.get(path) or (read(path),) * 2))
    return changed


def _hunked(
    path: str, file: Given, old: str | None, now: str | None
) -> tuple[str | None, str | None]:
    if file.new == NULL:
        return old, None
    for before, after in file.hunks:
        if not now and not before:
            now = after
            continue
        if now is None:
            raise NotApplicable(f"{path} is no text file of the repository")
        if not before.strip():
            raise NotApplicable(f"a hunk of {path} does not say where it belongs")
        first, last, indent = _place(now, before, path)
        now = (
            now[:first]
            + _fitted(after, indent, now, ends=now[first:last].endswith("\n"))
            + now[last:]
        )
    return old, now


def _files(diff: str) -> Iterator[Given]:
    lines = diff.replace("\r\n", "\n").split("\n")
    position, found = 0, False
    while position < len(lines) - 1:
        if lines[position].startswith("--- ") and lines[position + 1].startswith("+++ "):
            old, new = _name(lines[position]), _name(lines[position + 1])
            hunks, position = _hunks(lines, position + 2)
            found = True
            yield Given(old=old, new=new, hunks=tuple(hunks))
        else:
            position += 1
    if not found:
        raise NotApplicable("the answer holds neither edits nor a unified diff")


def _name(line: str) -> str:
    name = line[4:].split("\t")[0].strip()
    return name if name == NULL else re.sub(r"^[ab]/", "", name)


def _hunks(lines: list[str], position: int) -> tuple[list[tuple[str, str]], int]:
    hunks: list[tuple[list[str], list[str]]] = []
    while position < len(lines):
        line = lines[position]
        if HUNK.match(line):
            hunks.append(([], []))
        elif line.startswith(("diff --git ", "--- ")) and not (
            line.startswith("--- ") and hunks and not _next_file(lines, position)
        ):
            break
        elif (hunks and line[:1] in (" ", "+", "-")) or (
            hunks and not line and position < len(lines) - 1
        ):
            _take(hunks[-1], line)
        position += 1
    return [("".join(before), "".join(after)) for before, after in hunks], position


def _next_file(lines: list[str], position: int) -> bool:
    return position + 1 < len(lines) and lines[position + 1].startswith("+++ ")


def _take(hunk: tuple[list[str], list[str]], line: str) -> None:
    sign, text = (line[0], line[1:]) if line else (" ", "")
    if sign in " -":
        hunk[0].append(text + "\n")
    if sign in " +":
        hunk[1].append(text + "\n")


def _diff(path: str, old: str | None, new: str | None) -> str:
    if old == new:
        return ""
    head = f"diff --git a/{path} b/{path}\n" + (
        "new file mode 100644\n"
        if old is None
        else "deleted file mode 100644\n"
        if new is None
        else ""
    )
    before, after = _lines(old or ""), _lines(new or "")
    names = (NULL if old is None else f"a/{path}"), (NULL if new is None else f"b/{path}")
    body = "".join(_ended(line) for line in difflib.unified_diff(before, after, *names))
    return head + body


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n{NO_END}\n"
