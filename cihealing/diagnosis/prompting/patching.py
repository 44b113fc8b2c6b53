"""An answer's edits as a patch. Models are bad at line numbers, so only text counts: it must be
found, and found once (`placing`). What an answer does not speak of keeps its bytes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from cihealing.diagnosis.prompting import given, names, placing, written
from cihealing.diagnosis.prompting.answer import Answer, Edit
from cihealing.diagnosis.prompting.given import GivenHunk, NotApplicable, Section
from cihealing.diagnosis.prompting.written import FilePatch, FileState
from cihealing.texts import EncodedText, Stored, TextLine, joined, lines_of, text_of

__all__ = ["NotApplicable", "Patch", "to_patch"]

MAX_FILE = 1024 * 1024
FENCED = re.compile(r"(`{3,}|~{3,})[\w+.#-]*[ \t]*\n(.*\n)?\1[ \t]*\n?", re.DOTALL)
PROSE = (".md", ".markdown", ".mdx", ".rst", ".txt", ".adoc")
"""Files that may be one fenced block themselves."""
BOM = "\ufeff"
MODES = ("100644", "100755", "120000")


@dataclass(frozen=True, kw_only=True)
class Patch:
    text: str
    """As `git apply` takes it, against the blobs."""
    after: dict[str, bytes | None]
    """What each file that it touches is to be; None: gone."""
    notes: tuple[str, ...] = ()
    """In which point something else was taken than the answer says."""


def to_patch(answer: Answer, stored: Stored) -> Patch:
    """Raises NotApplicable."""
    work = _Work(stored)
    if answer.edits:
        for edit in answer.edits:
            work.edit(edit)
    else:
        for section in given.sections(answer.diff):
            work.section(section)
    text = written.written(work.changes())
    if not text:
        raise NotApplicable("the answer changes nothing")
    return Patch(text=text, after=work.after(), notes=tuple(dict.fromkeys(work.notes)))


@dataclass
class _Work:
    """The files as they are after what was done so far; `origins` has where each of them was."""

    stored: Stored
    now: dict[str, FileState | None] = field(default_factory=dict)
    origins: dict[str, FileState | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def changes(self) -> list[FilePatch]:
        found = [FilePatch(before=self.origins[p], after=now) for p, now in self.now.items()]
        return [one for one in found if one.before is not None or one.after is not None]

    def after(self) -> dict[str, bytes | None]:
        changed = [one for one in self.changes() if one.before != one.after]
        gone: dict[str, bytes | None] = {one.before.path: None for one in changed if one.before}
        return gone | {one.after.path: one.after.content for one in changed if one.after}

    def path(self, name: str) -> str:
        """The file that is meant, made known where it is tracked. Raises NotApplicable."""
        bare = names.plain_path(name)
        if bare in self.now:
            return bare
        path, said = names.tracked(bare, self.stored)
        self.notes += [said] if said else []
        self._know(path)
        return path

    def path_to_make(self, name: str) -> str:
        """Raises NotApplicable."""
        bare = names.same_letters(names.plain_path(name), self.stored.modes)
        path, _ = names.tracked(bare, self.stored) if bare in self.stored.modes else (bare, "")
        path = path if bare in self.stored.modes else names.through_links(bare, self.stored)
        self._know(path)
        return path

    def _know(self, path: str) -> None:
        if path in self.now:
            return
        mode = self.stored.modes.get(path)
        content = self.stored.read(path, limit=MAX_FILE) if mode else None
        if mode and content is None:
            raise NotApplicable(f"{path} is larger than {MAX_FILE // 1024} kB")
        state = FileState(path=path, content=content or b"", mode=mode) if mode else None
        self.now[path] = self.origins[path] = state

    def edit(self, edit: Edit) -> None:
        path = self.path(edit.path) if edit.search else self.path_to_make(edit.path)
        now = self.now[path]
        if now is None and edit.search:
            raise NotApplicable(f"{path} is no text file of the repository")
        if now is None:
            content = _whole(edit.replace, path).encode()
            self.now[path] = FileState(path=path, content=content)
            return
        self.now[path] = replace(now, content=_edited(now, edit))

    def section(self, section: Section) -> None:
        old, new = names.names_of(section, self.stored)
        if old is None and new is None:
            raise NotApplicable("a file of the diff has no name")
        if old is None:
            self._made(new or "", section)
        elif new is None:
            self.now[self._itself(old)] = None
        elif "copy from" in section.facts:
            source = self._there(old)
            self._made(new, section, content=source.content, mode=source.mode)
        elif "rename from" in section.facts:
            self._renamed(self._itself(old), new, section)
        elif old != new:
            raise NotApplicable(f"{old} is renamed to {new} without a `rename from`")
        else:
            path = self.path(old)
            self.now[path] = _hunked(self._there(path), section)

    def _there(self, name: str) -> FileState:
        path = self.path(name)
        found = self.now[path]
        if found is None:
            raise NotApplicable(f"{path} is no text file of the repository")
        return found

    def _itself(self, name: str) -> str:
        """A file to be moved or deleted; a link is not followed."""
        if self.stored.modes.get(names.plain_path(name)) == names.LINK:
            raise NotApplicable(f"{name} is a link: only a person may move or delete it")
        return self._there(name).path if name not in self.now else name

    def _made(
        self, name: str, section: Section, *, content: bytes = b"", mode: str = written.PLAIN
    ) -> None:
        path = self.path_to_make(name)
        if self.now[path] is not None:
            raise NotApplicable(f"{path} is to be made and is there already")
        mode = _mode(section.facts.get("new file mode", mode), path)
        self.now[path] = _hunked(FileState(path=path, content=content, mode=mode), section)

    def _renamed(self, old: str, new: str, section: Section) -> None:
        path = names.plain_path(new)
        self._know(path)
        if self.now[path] is not None:
            raise NotApplicable(f"{old} is to become {path}, which is there already")
        was, before = self.now[old], self.origins[old]
        assert was is not None
        self.now[path] = _hunked(replace(was, path=path), section)
        if self.origins[path] is None:
            self.origins[path] = before
            del self.now[old], self.origins[old]
        else:
            self.now[old] = None


def _mode(mode: str, path: str) -> str:
    if mode not in MODES:
        raise NotApplicable(f"{path} would have the mode {mode[:20]}, which no file has")
    return mode


def _hunked(state: FileState, section: Section) -> FileState:
    """Raises NotApplicable."""
    mode = _mode(section.facts.get("new mode", state.mode), state.path)
    if not section.hunks:
        return replace(state, mode=mode)
    opened = _Opened.of(state)
    for hunk in section.hunks:
        opened = opened.placed(hunk)
    return replace(state, content=opened.content(), mode=mode)


def _edited(state: FileState, edit: Edit) -> bytes:
    opened = _Opened.of(state)
    if not edit.search:
        return opened.replaced(_whole(edit.replace, state.path)).content()
    try:
        return opened.searched(edit.search, edit.replace).content()
    except NotApplicable:
        search = FENCED.fullmatch(edit.search if edit.search.endswith("\n") else f"{edit.search}\n")
        if search is None:
            raise
        return opened.searched(search[2] or "", _unfenced(edit.replace)).content()


def _unfenced(text: str) -> str:
    fenced = FENCED.fullmatch(text)
    return (fenced[2] or "") if fenced else text


def _whole(text: str, path: str) -> str:
    """The outermost fence is a wrapping, but where a file may begin and end with one."""
    return text if path.lower().endswith(PROSE) else _unfenced(text)


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """The lines of one file in its own encoding."""

    path: str
    text: EncodedText
    lines: list[TextLine]
    bom: bytes

    @classmethod
    def of(cls, state: FileState) -> _Opened:
        """Raises NotApplicable."""
        text = text_of(state.content)
        if text is None:
            raise NotApplicable(f"{state.path} is a binary file")
        lines = lines_of(text.content)
        return cls(path=state.path, text=text, lines=lines, bom=text.bom)

    def content(self) -> bytes:
        """Raises NotApplicable."""
        try:
            return self.text.encoded(joined(self.lines), bom=self.bom)
        except UnicodeEncodeError as error:
            character = str(error.object)[error.start]
            name = self.text.in_words or "UTF-8"
            raise NotApplicable(
                f"{self.path} is {name}: {character!r} cannot be written in it"
            ) from None

    def placed(self, hunk: GivenHunk) -> _Opened:
        bare, bom = self._without_bom(hunk)
        return replace(self, lines=placing.placed(self.lines, bare, self.path), bom=bom)

    def searched(self, search: str, replacement: str) -> _Opened:
        bom = self._bom([search], [replacement])
        lines = placing.searched(
            self.lines, search.removeprefix(BOM), replacement.removeprefix(BOM), self.path
        )
        return replace(self, lines=lines, bom=bom)

    def replaced(self, content: str) -> _Opened:
        bom = self.bom or (codecs.BOM_UTF8 if content.startswith(BOM) else b"")
        lines = placing.replaced(self.lines, content.removeprefix(BOM), self.path)
        return replace(self, lines=lines, bom=bom)

    def _bom(self, before: Iterable[str], after: Iterable[str]) -> bytes:
        """The byte order mark afterwards: it stays where an answer does not speak of it."""
        had, has = (any(t.startswith(BOM) for t in texts) for texts in (before, after))
        if had == has or self.text.codec != "utf-8":
            return self.bom
        return codecs.BOM_UTF8 if has else b""

    def _without_bom(self, hunk: GivenHunk) -> tuple[GivenHunk, bytes]:
        bom = self._bom(*([line.text for line in side] for side in (hunk.before, hunk.after)))
        lines = tuple(
            (sign, TextLine(text.removeprefix(BOM), end)) for sign, (text, end) in hunk.lines
        )
        return replace(hunk, lines=lines), bom
