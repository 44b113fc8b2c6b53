"""Commits of the repositories policy names, and who may fetch them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from cihealing.domain.policy import RepositoryPolicy
from cihealing.domain.values import Owner
from cihealing.texts import Stored
from cihealing.tree import Tree


class Trees(Protocol):
    """Mirrors and worktrees of the repositories policy names."""

    def at(
        self, repository: str, commit: str, *, policy: RepositoryPolicy, patch: str = ""
    ) -> AbstractContextManager[Tree]:
        """A private worktree of exactly this commit, patched with a unified diff if given; gone
        afterwards.

        Raises PermanentError (no clone URL, unknown commit, patch does not apply), TransientError
        (fetch failed).
        """

    def stored(
        self, repository: str, commit: str, *, policy: RepositoryPolicy, patch: str = ""
    ) -> AbstractContextManager[Stored]:
        """The files of exactly this commit, patched if a unified diff is given, without a worktree.

        Raises PatchRefused where the patch does not apply, PermanentError and TransientError as
        `at` does.
        """

    def merge_base(
        self, repository: str, commit: str, branch: str, *, policy: RepositoryPolicy
    ) -> str | None: ...

    def first_parent(
        self, repository: str, commit: str, *, policy: RepositoryPolicy
    ) -> str | None: ...

    def head(self, repository: str, branch: str, *, policy: RepositoryPolicy) -> str | None:
        """The commit a branch of the origin points at now; None where there is no such branch."""

    def owner(
        self, repository: str, commit: str, files: Sequence[str], *, policy: RepositoryPolicy
    ) -> Owner | None:
        """CODEOWNERS of `files`, else their last author, else the commit's author."""

    def read_file(
        self, repository: str, commit: str, path: str, *, policy: RepositoryPolicy
    ) -> str | None: ...

    def show(self, repository: str, commit: str, *, policy: RepositoryPolicy) -> str:
        """What the commit changed against its first parent, as text, bounded; empty for the first
        commit of all.
        """

    def between(self, repository: str, commit: str, other: str, *, policy: RepositoryPolicy) -> str:
        """The unified diff from one commit to another; raises PermanentError where one is
        unknown.
        """

    def diff(self, tree: Tree) -> str:
        """What was changed below `tree.root` since `at` yielded it, as a unified diff; empty where
        nothing was.

        Never run git inside `tree.root` oneself once repository code ran there: its `.git/config`
        may name programs to run.
        """


class Credentials(Protocol):
    """A provider's own tokens to clone with, instead of one that is set for all clones."""

    def clone_token(self, repository: str, url: str) -> str:
        """A token for a clone URL of one's own host; empty where there is none, or the URL leads
        elsewhere. Raises TransientError, PermanentError.
        """
