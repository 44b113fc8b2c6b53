"""What is checked out of a branch that moves: unfinished work stops it, files come along."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from pathlib import Path

from cihealing.ports import PermanentError, TransientError
from cihealing.providers.local_git.origin import Origin, tip_of
from cihealing.scratch import scratch
from cihealing.workshop.git import GitFailed

log = logging.getLogger(__name__)


def worktrees_on(origin: Origin, ref: str) -> list[Path]:
    """Worktrees, the main one included, that have the branch checked out."""
    found = []
    for block in origin("worktree", "list", "--porcelain", "-z").split("\0\0"):
        facts = dict(line.partition(" ")[::2] for line in block.split("\0") if line)
        if (
            facts.get("branch") == ref
            and "bare" not in facts
            and Path(facts.get("worktree", "")).is_dir()
        ):
            found.append(Path(facts["worktree"]))
    return found


def require_clean(worktree: Origin) -> None:
    """Raises PermanentError where a person's unfinished work would meet the merge."""
    dirty = worktree(
        "status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=none"
    ).split("\0")
    if dirty := [d for d in dirty if d]:
        raise PermanentError(
            f"{worktree.path} has the branch checked out with changes that are not committed"
            f" ({len(dirty)}, first {dirty[0][3:][:100]!r}): commit or stash them there, then"
            " approve again"
        )


def require_room(worktree: Origin, head: str, commit: str) -> None:
    """Raises PermanentError where the refresh would overwrite an untracked file."""
    with scratch("index") as directory:
        # A copy: the index of the worktree is not locked before it has to be, so that workers do
        # not stop each other.
        index = Path(directory) / "index"
        shutil.copyfile(
            worktree.path / worktree("rev-parse", "--git-path", "index").rstrip("\n"), index
        )
        with suppress(GitFailed):
            worktree("update-index", "-q", "--refresh", index=index)
        try:
            worktree("read-tree", "-n", "-u", "-m", head, commit, index=index)
        except GitFailed as error:
            raise PermanentError(
                f"{worktree.path} cannot take the change: {error.text[:300]}; mend that there, then"
                " approve again"
            ) from error


def refresh_worktrees(origin: Origin, ref: str, head: str, commit: str) -> None:
    """Bring what is checked out along. The merge stands whether this works or not, so trouble is
    told and not raised.
    """
    if tip_of(origin, ref) != commit:
        return
    for worktree in (origin.at(w) for w in worktrees_on(origin, ref)):
        try:
            refresh(worktree, head, commit)
        except (GitFailed, TransientError) as error:
            log.warning(
                "%s is behind its branch, run `git reset --keep %s` there: %s",
                worktree.path,
                commit,
                error,
            )


def refresh(worktree: Origin, head: str, commit: str) -> None:
    """Move index and files from `head` to `commit`; what a person changed meanwhile is kept. Done
    before: nothing happens.
    """
    if worktree("write-tree").strip() == worktree("rev-parse", f"{commit}^{{tree}}").strip():
        return
    with suppress(GitFailed):
        worktree("update-index", "-q", "--refresh")
    worktree("read-tree", "-u", "-m", head, commit)
