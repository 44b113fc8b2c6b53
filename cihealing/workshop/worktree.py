"""The private directory of one tree, and what was put into it: what git knows of it lies beside it,
never in it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cihealing.ports import PermanentError, Tree
from cihealing.tree import TooLarge, shown
from cihealing.workshop.git import GitFailed

UNTRACKED = frozenset(
    {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", "node_modules"}
)
"""What tools leave behind; never part of a change unless the commit has such files itself."""
IGNORABLE = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
"""Characters HFS+ does not count in a name."""

IDENTITY = {
    "GIT_AUTHOR_NAME": "cihealing",
    "GIT_AUTHOR_EMAIL": "cihealing@localhost",
    "GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "cihealing",
    "GIT_COMMITTER_EMAIL": "cihealing@localhost",
    "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z",
}


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The private directory of one worktree. `objects`, `index` and `rules` are the service's own
    and no part of the tree.
    """

    place: Path
    mirror: Path

    @property
    def root(self) -> Path:
        return self.place / "tree"

    @property
    def rules(self) -> Path:
        """The commit's own `.gitattributes` and `.gitignore`, the only files of it that git reads
        from a disk.
        """
        return self.place / "rules"

    @property
    def variables(self) -> dict[str, str]:
        return {
            "GIT_DIR": str(self.mirror),
            "GIT_INDEX_FILE": str(self.place / "index"),
            "GIT_WORK_TREE": str(self.rules),
            "GIT_OBJECT_DIRECTORY": str(self.place / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.mirror / "objects"),
        }


@contextlib.contextmanager
def git_refusals_are_permanent(what: str) -> Iterator[None]:
    """git's no to something about a tree is for a person: trying again would not help."""
    try:
        yield
    except GitFailed as error:
        raise PermanentError(f"{what}: {shown(error.text[:500])}") from error
    except TooLarge as error:
        raise PermanentError(f"{what}: {error}") from error


Stamp = tuple[int, int, int, int]
"""Mode, size, inode and time of the last change of a file: code under test can set none but the
first two as it likes.
"""


def stamps(tree: Tree, leaving: frozenset[str]) -> Iterator[tuple[str, Stamp]]:
    """Every file and link a commit could hold. Raises TooLarge."""
    for entry in tree.walk(leave_out=lambda name: name in leaving or no_commit_holds(name)):
        if entry.is_file or entry.is_link:
            yield (
                entry.path,
                (
                    entry.status.st_mode,
                    entry.status.st_size,
                    entry.status.st_ino,
                    entry.status.st_ctime_ns,
                ),
            )


def colliding(tracked: Mapping[str, tuple[str, ...]]) -> str | None:
    """A link with which a directory collides where case does not count (CVE-2021-21300): nobody
    means that.
    """
    links = {path.casefold(): path for path, entry in tracked.items() if entry[0] == "120000"}
    directories = (
        {
            "/".join(parts[:n])
            for path in tracked
            for parts in [path.split("/")]
            for n in range(1, len(parts))
        }
        if links
        else set()
    )
    return next(
        (links[name.casefold()] for name in sorted(directories) if name.casefold() in links), None
    )


def no_commit_holds(name: str) -> bool:
    """Names git refuses anywhere in a path, on any file system it guards (`.git`, `.GIT`, `git~1`,
    `.g\u200cit`).
    """
    bare = IGNORABLE.sub("", name).rstrip(" .").lower()
    return bare in (".git", "git~1") or bare.startswith(".git:")


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """One line of `git update-index --index-info`; without a blob the path is taken away."""

    path: str
    mode: str = "0"
    blob: str = "0" * 40

    def __str__(self) -> str:
        return f"{self.mode} {self.blob}\t{self.path}\0"


@dataclass(frozen=True, kw_only=True)
class YieldedTree:
    """A worktree as it was yielded: what git tracked there (path -> mode, blob), and how each file
    looked.
    """

    space: Workspace
    tracked: Mapping[str, tuple[str, ...]]
    leaving: frozenset[str]
    """Names of caches that are not looked into."""
    stamps: Mapping[str, Stamp]

    @cached_property
    def links(self) -> frozenset[str]:
        """Directories of other repositories (gitlinks): what lies in them is no part of this
        one.
        """
        return frozenset(path for path, entry in self.tracked.items() if entry[0] == "160000")

    def is_elsewhere(self, path: str) -> bool:
        parts = path.split("/")
        return any("/".join(parts[:n]) in self.links for n in range(1, len(parts)))


def unsafe(path: str) -> bool:
    return not path or "\0" in path or path.startswith("/") or ".." in path.split("/")


def require_told_apart(made: YieldedTree) -> None:
    """Raises PermanentError where names of the commit are one name on this machine."""
    if lost := [
        path
        for path, entry in made.tracked.items()
        if entry[0] != "160000" and path not in made.stamps
    ]:
        raise PermanentError(
            "names of the commit that this machine does not tell apart:"
            f" {', '.join(map(shown, lost[:3]))}"
        )
    if found := colliding(made.tracked):
        raise PermanentError(
            f"the commit has a link and a directory whose names differ in case only: {shown(found)}"
        )
