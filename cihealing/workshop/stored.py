"""Files as git stores them: what a commit has, and what a change in a checkout makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from cihealing.diagnosis.prompting import placing
from cihealing.texts import joined, lines_of
from cihealing.workshop.git import Git
from cihealing.workshop.worktree import Workspace

MAX_FILES = 500_000
MAX_CONTENT = 32 * 1024 * 1024


class _Blob(NamedTuple):
    mode: str
    hash: str
    size: int


class StoredTree:
    """`ports.Stored` of one tree; `variables` say where git finds its objects."""

    def __init__(self, git: Git, tree: str, *, variables: Mapping[str, str]) -> None:
        self._git, self._tree, self._variables = git, tree, variables

    @cached_property
    def modes(self) -> Mapping[str, str]:
        return {path: blob.mode for path, blob in self._blobs.items()}

    @cached_property
    def _blobs(self) -> Mapping[str, _Blob]:
        command = ("ls-tree", "-r", "-l", "-z", "--full-tree", self._tree)
        listed = self._git(*command, variables=self._variables, entries=MAX_FILES)
        found = {}
        for entry in listed.split("\0"):
            facts, _, path = entry.partition("\t")
            if path:
                mode, _, digest, size = facts.split()
                found[path] = _Blob(mode, digest, int(size) if size.isdigit() else MAX_CONTENT + 1)
        return found

    def read(self, path: str, *, limit: int = MAX_CONTENT) -> bytes | None:
        """Raises GitFailed, TransientError, Cancelled."""
        blob = self._blobs.get(path)
        if blob is None or blob.size > limit:
            return None
        content = self._git("cat-file", "blob", blob.hash, variables=self._variables)
        return content.encode("utf-8", "surrogateescape")


class Put:
    """Puts contents among the objects of `space`, and gives their hashes."""

    def __init__(self, git: Git, *, space: Workspace) -> None:
        self._git, self._variables = git, space.variables
        # Attributes are read from the directory that git runs in.
        self._at = ("-C", str(space.rules))

    def as_is(self, content: bytes) -> str:
        return self._hashed("--no-filters", content=content)

    def as_changed(self, path: str, content: bytes, *, before: str) -> str:
        """What lies in a worktree, which was checked out from the blob `before` (empty: it is new).

        git would convert every line by its attributes; lines that were not changed stay as stored.
        """
        cleaned = self._hashed(f"--path={path}", content=content)
        if not before or cleaned in (before, self._hashed("--no-filters", content=content)):
            return cleaned
        stored = self._read("blob", before)
        if self._read("--filters", f"--path={path}", before) == stored:
            return self.as_is(content)
        text = self._read("blob", cleaned).replace("\r\n", "\n")
        lines = placing.replaced(lines_of(stored), text, path)
        return self.as_is(joined(lines).encode("utf-8", "surrogateescape"))

    def _hashed(self, how: str, *, content: bytes) -> str:
        command = (*self._at, "hash-object", "-w", "--stdin", how)
        return self._git(*command, content=content, variables=self._variables).strip()

    def _read(self, *what: str) -> str:
        return self._git(*self._at, "cat-file", *what, variables=self._variables)
