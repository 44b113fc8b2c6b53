"""What came of a try, and putting its patch in place."""

from __future__ import annotations

from dataclasses import dataclass

from cihealing.diagnosis.prompting import given, placing
from cihealing.diagnosis.prompting.given import NotApplicable
from cihealing.domain.policy import Project
from cihealing.domain.values import Observation
from cihealing.guard import paths
from cihealing.guard.change import FileChange, Unreadable, parse
from cihealing.read import texts
from cihealing.read.rows import RunDetail
from cihealing.texts import joined, lines_of
from cihealing.tree import Tree
from cihealing.trial.repositories import Repository


class CannotApply(Exception):
    """The patch does not fit what lies in the working tree now."""


@dataclass(frozen=True, kw_only=True)
class TrialRun:
    """One command over the copy as it is."""

    job: str
    project: Project
    seen: Observation


@dataclass(frozen=True, kw_only=True)
class TrialOutcome:
    """`verdict`: green, proven, flake, unavailable (the command could not be run as meant), else
    the status the run ended in.
    """

    verdict: str
    ran: tuple[TrialRun, ...]
    run: RunDetail | None = None

    @property
    def patch(self) -> str:
        return self.run.patch if self.run and self.verdict == "proven" else ""

    @property
    def exact_patch(self) -> str:
        """As it is applied: in `patch` bytes that are no UTF-8 are shown as such."""
        return texts.exact_patch(self.run.patch_hash) if self.run and self.patch else ""

    @property
    def well(self) -> bool:
        return self.verdict in ("green", "proven", "flake")


def verdict_of(run: RunDetail) -> str:
    if run.status == "fixed" and run.proven:
        return "proven"
    return "flake" if run.resolution == "flake" else run.status


def apply(repository: Repository, patch: str) -> None:
    """Change the files of the working tree as the patch says; all of it or nothing. Raises
    CannotApply.

    Line ends stay as the working tree has them, whatever git makes of them when it is committed.
    """
    if repository.bare:
        raise CannotApply(
            f"{repository.root} is bare: it has no working tree to apply the patch to"
        )
    tree = Tree(root=repository.root)
    try:
        contents = patched(patch, tree)
    except (NotApplicable, Unreadable) as error:
        raise CannotApply(
            f"the patch does not fit what lies in {repository.root} now: {error}"
        ) from error
    for path, (content, mode) in contents.items():
        if content is None:
            tree.remove(path)
        else:
            tree.write(path, content, mode=mode)


Contents = dict[str, tuple[bytes | None, int | None]]
"""By path: what is to lie there (None: nothing), and its mode where it changes."""


def patched(patch: str, tree: Tree) -> Contents:
    """Raises NotApplicable, Unreadable."""
    sections = given.sections(patch)
    found: Contents = {}
    for change, section in zip(parse(patch), sections, strict=True):
        if (why := paths.outside(change.path)) or tree.leads_elsewhere(change.path):
            raise NotApplicable(f"{change.path}: {why or 'a link is on the way'}")
        before = b"" if change.old is None else tree.read(change.old)
        there = change.new is not None and tree.entry(change.new) is not None
        if before is None or (there and change.old != change.new):
            raise NotApplicable(f"{change.path} is not as it was")
        lines = lines_of(before.decode("utf-8", "surrogateescape"))
        for hunk in section.hunks:
            lines = placing.placed(lines, hunk, change.path, keys=placing.PLAIN)
        content = joined(lines).encode("utf-8", "surrogateescape")
        if change.old is not None and change.old != change.new:
            found[change.old] = (None, None)
        if change.new is not None:
            found[change.new] = (content, _mode(change, tree))
    return found


def _mode(change: FileChange, tree: Tree) -> int | None:
    """A file that is only changed keeps what it has."""
    if change.old_mode != change.new_mode:
        return 0o755 if change.new_mode == "100755" else 0o644
    moved = tree.entry(change.old) if change.old and change.old != change.new else None
    return moved.status.st_mode & 0o777 if moved else None
