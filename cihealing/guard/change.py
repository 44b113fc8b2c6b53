"""A unified diff as values. Strict on purpose: what is read here must be exactly what `git apply`
would do.

Two parsers that disagree are a way round a guard, so the whole patch is walked by a narrow grammar
(git's own output, nothing between files) and unidiff has to count the same files and lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchSet

from cihealing.texts import wide

MAX_CHARACTERS = 500_000
MAX_PATH = 1_000
MAX_LINE = 600
"""Longer added lines are objected to, and searched no further."""

NOT_UTF8 = re.compile("[\udc80-\udcff]")
"""Bytes that are no UTF-8, as `surrogateescape` has them."""


class Unreadable(Exception):
    """The patch is not a plain git diff; the message says where and why."""


@dataclass(frozen=True, kw_only=True)
class DiffLine:
    """One line of a hunk. `line` is its number in the new file (in the old one for a removed line),
    from 1.
    """

    kind: str
    """`+`, `-` or a space."""
    line: int
    text: str
    other_encoding: bool = False
    """The line is no UTF-8; of UTF-16 `text` has the characters."""

    @property
    def plain(self) -> str:
        """What patterns search: at most MAX_LINE characters, every run of blanks made one (else
        `\\s*x?\\s*` takes quadratic time).
        """
        return re.sub(r"[ \t\r\f\v]+", " ", self.text[:MAX_LINE])


@dataclass(frozen=True, kw_only=True)
class Hunk:
    edits: tuple[DiffLine, ...]


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """One file of a patch. Paths are as git stores them, without `a/` and `b/`; None where there is
    no such side.
    """

    old: str | None
    new: str | None
    old_mode: str = ""
    new_mode: str = ""
    binary: bool = False
    hunks: tuple[Hunk, ...] = ()

    @property
    def path(self) -> str:
        return self.new or self.old or ""

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p for p in (self.old, self.new) if p is not None))

    @property
    def added(self) -> tuple[DiffLine, ...]:
        return tuple(e for h in self.hunks for e in h.edits if e.kind == "+")

    @property
    def removed(self) -> tuple[DiffLine, ...]:
        return tuple(e for h in self.hunks for e in h.edits if e.kind == "-")


def parse(patch: str) -> tuple[FileChange, ...]:
    """The files of a patch in their order. Raises Unreadable."""
    if len(patch) > MAX_CHARACTERS:
        raise Unreadable(f"it is longer than {MAX_CHARACTERS} characters")
    reader = DiffReader(patch.split("\n"))
    files = tuple(read_files(reader))
    if not any(f.binary for f in files):
        compare(files, patch)
    return files


@dataclass
class DiffReader:
    """A position in the lines of a patch."""

    lines: Sequence[str]
    at: int = 0

    def peek(self) -> str | None:
        return self.lines[self.at] if self.at < len(self.lines) else None

    def take(self) -> str:
        line = self.peek()
        if line is None:
            raise Unreadable("it ends in the middle of a file")
        self.at += 1
        return line

    def starts(self, prefix: str) -> bool:
        """The next line begins so."""
        line = self.peek()
        return line is not None and line.startswith(prefix)

    def wrong(self, why: str) -> Unreadable:
        return Unreadable(f"line {min(self.at + 1, len(self.lines))}: {why}")


@dataclass
class Header:
    """What the lines above the hunks of one file say."""

    names: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    minus: str | None = None
    plus: str | None = None
    binary: bool = False


def read_files(reader: DiffReader) -> Iterator[FileChange]:
    while (line := reader.peek()) is not None:
        if line == "" and all(rest == "" for rest in reader.lines[reader.at :]):
            return
        if not line.startswith(("diff --git ", "--- ")):
            raise reader.wrong("a file of a git diff should begin here")
        yield read_file(reader)


def read_file(reader: DiffReader) -> FileChange:
    header = read_header(reader)
    if header.binary:
        skip_binary(reader)
        return change_of(header, hunks=(), reader=reader)
    hunks = tuple(read_hunks(reader))
    if (header.minus is not None) != bool(hunks):
        raise reader.wrong("file names and hunks belong together")
    return change_of(header, hunks=hunks, reader=reader)


FACT = re.compile(
    r"(?P<key>old mode|new mode|new file mode|deleted file mode|rename from|rename to|copy"
    r" from|copy to"
    r"|similarity index|dissimilarity index|index) (?P<value>.+)"
)


def read_header(reader: DiffReader) -> Header:
    header = Header()
    if reader.starts("diff --git "):
        header.names = reader.take()[len("diff --git ") :]
        read_facts(reader, header)
    if reader.starts("Binary files ") or reader.peek() == "GIT binary patch":
        header.binary = True
    elif reader.starts("--- "):
        header.minus = reader.take()[4:]
        if not reader.starts("+++ "):
            raise reader.wrong("`+++` should follow `---`")
        header.plus = reader.take()[4:]
    return header


def read_facts(reader: DiffReader, header: Header) -> None:
    while (line := reader.peek()) is not None and (fact := FACT.fullmatch(line)):
        if fact["key"] in header.facts:
            raise reader.wrong(f"`{fact['key']}` is said twice")
        header.facts[fact["key"]] = fact["value"]
        reader.take()


def skip_binary(reader: DiffReader) -> None:
    while (line := reader.peek()) is not None and not line.startswith("diff --git "):
        reader.take()


RANGE = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(?: .*)?", re.DOTALL)


def read_hunks(reader: DiffReader) -> Iterator[Hunk]:
    while reader.starts("@@ "):
        matched = RANGE.fullmatch(reader.take())
        if matched is None:
            raise reader.wrong("the hunk above has no readable range")
        old, old_size, new, new_size = (1 if g is None else int(g) for g in matched.groups())
        yield Hunk(
            edits=tuple(
                read_edits(reader, old=old, new=new, old_end=old + old_size, new_end=new + new_size)
            )
        )


def read_edits(
    reader: DiffReader, *, old: int, new: int, old_end: int, new_end: int
) -> Iterator[DiffLine]:
    while old < old_end or new < new_end:
        line = (
            reader.take() or " "
        )  # some mailers strip the space of an empty context line; git reads it so too
        kind, text = line[0], line[1:]
        if kind == "\\":
            continue
        if kind not in "+- ":
            raise reader.wrong("not a line of a hunk")
        shown = wide(text) if "\0" in text else None
        yield DiffLine(
            kind=kind,
            line=old if kind == "-" else new,
            text=text if shown is None else shown,
            other_encoding=shown is not None or bool(NOT_UTF8.search(text)),
        )
        old, new = old + (kind != "+"), new + (kind != "-")
    if old > old_end or new > new_end:
        raise reader.wrong("the hunk is longer than its range")
    if reader.starts("\\ "):
        reader.take()


def change_of(header: Header, *, hunks: tuple[Hunk, ...], reader: DiffReader) -> FileChange:
    old, new = names_of(header, reader)
    facts = header.facts
    created = "new file mode" in facts or is_null(header.minus)
    deleted = "deleted file mode" in facts or is_null(header.plus)
    if created and deleted:
        raise reader.wrong("a file cannot be both new and deleted")
    mode = facts.get("index", "").partition(" ")[2]
    return FileChange(
        old=None if created else old,
        new=None if deleted else new,
        binary=header.binary,
        hunks=hunks,
        old_mode=facts.get("old mode") or facts.get("deleted file mode") or mode,
        new_mode=facts.get("new mode") or facts.get("new file mode") or mode,
    )


def names_of(header: Header, reader: DiffReader) -> tuple[str, str]:
    """Old and new path; every line of the header that names them must agree."""
    claims = [
        c for c in (plain_names(header, reader), moved_names(header, reader)) if c is not None
    ]
    if header.names is not None:
        said = spelled_pairs(header.names)
        if not claims:
            said = [(a, b) for a, b in said if a == b]
        claims = [c for c in claims if c in said] if claims else said[:1]
    if len(set(claims)) != 1:
        raise reader.wrong("the lines that name this file do not agree")
    return claims[0]


def is_null(name: str | None) -> bool:
    return name is not None and name.partition("\t")[0] == "/dev/null"


def plain_names(header: Header, reader: DiffReader) -> tuple[str, str] | None:
    if header.minus is None or header.plus is None:
        return None
    old = None if is_null(header.minus) else unprefixed(header.minus, "a/")
    new = None if is_null(header.plus) else unprefixed(header.plus, "b/")
    found = old or new
    if found is None:
        raise reader.wrong("file names must begin with a/ and b/")
    return old or found, new or found


def moved_names(header: Header, reader: DiffReader) -> tuple[str, str] | None:
    for word in ("rename", "copy"):
        old, new = header.facts.get(f"{word} from"), header.facts.get(f"{word} to")
        if (old is None) != (new is None):
            raise reader.wrong(f"half a {word}")
        if old is not None and new is not None:
            return unquoted(old), unquoted(new)
    return None


def unprefixed(name: str, prefix: str) -> str:
    """The path of `a/path`, `"a/p\\303\\244th"` or `a/with space<TAB>`. Raises Unreadable.

    A date after the tab is refused: git takes some dates for "there is no such file".
    """
    path = unquoted(name.removesuffix("\t"))
    if "\t" in name.removesuffix("\t") or not path.startswith(prefix) or len(path) > MAX_PATH:
        raise Unreadable(f"a file name should begin with {prefix}")
    return path[len(prefix) :]


def spelled_pairs(names: str) -> list[tuple[str, str]]:
    """Every way to read `a/X b/Y`: unquoted names may hold spaces, so there can be more than
    one.
    """
    found = []
    for match in list(re.finditer(r' (?="?b/)', names))[:50]:
        try:
            found.append(
                (unprefixed(names[: match.start()], "a/"), unprefixed(names[match.end() :], "b/"))
            )
        except Unreadable:
            continue
    return found


ESCAPE = re.compile(r'\\([0-7]{3}|[abtnvfr"\\])')
ESCAPED = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}


def unquoted(name: str) -> str:
    """A path in git's C quoting. Source: git-config(1), core.quotePath. Raises Unreadable."""
    if not name.startswith('"'):
        return name
    inner = name[1:-1]
    if len(name) < 2 or not name.endswith('"') or re.search(r'["\\]', ESCAPE.sub("", inner)):
        raise Unreadable("a quoted file name is broken")
    raw = ESCAPE.sub(
        lambda m: chr(ESCAPED[m[1]] if m[1] in ESCAPED else int(m[1], 8) & 0xFF), inner
    )
    try:
        return raw.encode("latin-1").decode()
    except UnicodeError as error:
        raise Unreadable("a quoted file name is not UTF-8") from error


def compare(files: Sequence[FileChange], patch: str) -> None:
    """Raises Unreadable where unidiff reads another patch."""
    try:
        other = (
            PatchSet(line + "\n" for line in patch.rstrip("\n").split("\n"))
            if patch.strip("\n")
            else PatchSet("")
        )
    except UnidiffParseError as error:
        raise Unreadable("it is no well-formed unified diff") from error
    if [(len(f.added), len(f.removed)) for f in files] != [(f.added, f.removed) for f in other]:
        raise Unreadable("it can be read in two ways")
