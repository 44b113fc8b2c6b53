"""A git repository on this machine as the forge: an approved patch becomes one commit on its
branch.

The order is: look, build the commit beside the branch, move the branch by compare-and-swap, then
refresh the worktree that has it checked out. The swap is the only step that counts: a crash before
it leaves nothing to see, a crash after it is found by the commit's `Cihealing-Run` trailer, so a
run is merged at most once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cihealing.domain.policy import Policy
from cihealing.guard import paths
from cihealing.guard.change import FileChange
from cihealing.ports import (
    Call,
    HeadMovedError,
    PermanentError,
    Proposal,
    Published,
    Site,
    TransientError,
)
from cihealing.providers.local_git.origin import Origin, origin_of, path_of, ref_of, tip_of, url_of
from cihealing.providers.local_git.worktrees import (
    refresh_worktrees,
    require_clean,
    require_room,
    worktrees_on,
)
from cihealing.scratch import scratch
from cihealing.workshop.git import GitFailed, is_commit

TRAILER = "Cihealing-Run"
MAX_SEARCHED = 1_000
"""Commits after the proven one that are searched for the run's own."""
MAX_TITLE, MAX_BODY = 120, 10_000
RAW = re.compile(r":(?P<old>\d{6}) (?P<new>\d{6}) [0-9a-f]+ [0-9a-f]+ (?P<status>[A-Z])\d*\Z")


@dataclass(frozen=True, kw_only=True)
class Merge:
    """What is to be merged where. `ref` is the full name of the branch."""

    run_id: str
    ref: str
    head: str
    patch: str
    message: str


class LocalGitPublishing:
    """`ports.Publishing` in a repository on this machine."""

    def __init__(self, site: Site) -> None:
        self.repository, self.policy = site.repository, site.policy

    def publish(self, proposal: Proposal) -> Published:
        """Merge the patch onto the branch as one commit on top of `head`; a repeated call finds
        that commit.

        Raises HeadMovedError, PermanentError (with what a person has to do), TransientError.
        """
        if not is_commit(proposal.head):
            raise PermanentError(
                "local_git merges onto a full commit id; it was asked to merge onto"
                f" {proposal.head[:80]!r}"
            )
        message = message_of(
            title=proposal.title,
            body=proposal.message,
            run_id=proposal.run_id,
            actor=proposal.actor,
        )
        with origin_of(self.repository, self.policy) as origin:
            change = Merge(
                run_id=proposal.run_id,
                ref=ref_of(origin, proposal.branch),
                head=proposal.head,
                patch=proposal.patch,
                message=message,
            )
            commit = merged_before(origin, change) or merge_now(origin, change)
            refresh_worktrees(origin, change.ref, change.head, commit)
            return Published(url=url_of(origin.path, commit), commit=commit, merged=True)

    def planned(self, proposal: Proposal) -> list[Call]:
        path = path_of(self.repository, self.policy)
        commit = Call(
            method="git",
            url=f"{path} commit-tree -p {proposal.head}",
            body={"title": proposal.title, "patch": proposal.patch},
        )
        return [
            commit,
            Call(
                method="git",
                url=f"{path} update-ref refs/heads/{proposal.branch} <commit> {proposal.head}",
            ),
        ]


def merged_before(origin: Origin, change: Merge) -> str | None:
    """This run's commit on the branch, if there is one. Raises HeadMovedError where the branch went
    another way.
    """
    tip = tip_of(origin, change.ref)
    if tip == change.head:
        return None
    found = None if tip is None else commit_of_run(origin, change, tip)
    if found is None:
        raise HeadMovedError(change.head, tip)
    return found


def commit_of_run(origin: Origin, change: Merge, tip: str) -> str | None:
    """A child of `head` that carries the run's trailer; a body cannot forge one, since git reads
    the last paragraph only.
    """
    form = f"--format=%H %P%x00%(trailers:key={TRAILER},valueonly,separator=%x2c)%x1e"
    listed = (
        origin.quiet(
            "log",
            f"-{MAX_SEARCHED}",
            form,
            "--ancestry-path",
            "--reverse",
            f"{change.head}..{tip}",
            "--",
        )
        or ""
    )
    for record in listed.split("\x1e"):
        commits, _, runs = record.strip().partition("\0")
        if commits.split()[1:] == [change.head] and change.run_id in runs.split(","):
            return commits.split()[0]
    return None


def merge_now(origin: Origin, change: Merge) -> str:
    """The run's commit on the branch, made here or, in a race, by another."""
    try:
        return move(origin, change)
    except PermanentError:
        # Between another worker's swap and its refresh the worktree looks dirty: what counts is
        # where the branch is.
        if (found := merged_before(origin, change)) is not None:
            return found
        raise


def move(origin: Origin, change: Merge) -> str:
    """Build the commit, then move the branch from `head` to it."""
    trees = worktrees_on(origin, change.ref)
    for worktree in trees:
        require_clean(origin.at(worktree))
    commit = build(origin, change)
    for worktree in trees:
        require_room(origin.at(worktree), change.head, commit)
    return swap(origin, change, commit)


def build(origin: Origin, change: Merge) -> str:
    """A commit of `head` plus the patch that no branch points at yet. The patch meets an index of
    its own, never a file.
    """
    with scratch("index") as directory:
        index = Path(directory) / "index"
        origin("read-tree", change.head, index=index)
        apply(origin, change.patch, index)
        tree = origin("write-tree", index=index).strip()
    require_allowed(origin, change.head, tree)
    return origin("commit-tree", tree, "-p", change.head, "-F", "-", data=change.message).strip()


def apply(origin: Origin, patch: str, index: Path) -> None:
    try:
        for check in (["--check"], []):
            origin(
                "apply",
                *check,
                "--cached",
                "--whitespace=nowarn",
                "--no-ignore-whitespace",
                "-",
                index=index,
                data=patch,
            )
    except GitFailed as error:
        raise PermanentError(
            f"the patch does not apply to the commit it was proven on: {error.text[:400]}"
        ) from error


def require_allowed(origin: Origin, head: str, tree: str) -> None:
    """The guard's path checks once more, on what git really built: a diff can be read in two ways,
    a tree cannot.
    """
    listed = origin("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", head, tree)
    changes = list(changes_of(listed.split("\0")))
    if not changes:
        raise PermanentError("the patch changes nothing")
    scripts = [c.path for c in changes if is_script(origin, tree, c)]
    if objections := [o for o in paths.check(changes, policy=Policy(), denied=scripts) if o.hard]:
        raise PermanentError(f"the patch is refused: {objections[0].text}")


def is_script(origin: Origin, tree: str, change: FileChange) -> bool:
    """Whether the file says itself what it is run with; the guard knew whether it had to be."""
    if (change.old_mode, change.new_mode) != ("100644", "100755"):
        return False
    return origin("cat-file", "blob", f"{tree}:{change.path}").startswith("#!")


def changes_of(fields: Sequence[str]) -> Iterator[FileChange]:
    for raw, path in zip(fields[::2], fields[1::2], strict=False):
        if entry := RAW.match(raw):
            old, new = (None if entry[side] == "000000" else path for side in ("old", "new"))
            yield FileChange(
                old=old,
                new=new,
                old_mode=entry["old"] if old else "",
                new_mode=entry["new"] if new else "",
            )


def swap(origin: Origin, change: Merge, commit: str) -> str:
    """Compare-and-swap of the branch. Who loses the race to the same run takes the winner's
    commit.
    """
    try:
        origin(
            "update-ref", "-m", f"cihealing: run {change.run_id}", change.ref, commit, change.head
        )
    except GitFailed as error:
        if (found := merged_before(origin, change)) is not None:
            return found
        raise TransientError(f"the branch could not be moved: {error.text[:300]}") from error
    return commit


def message_of(*, title: str, body: str, run_id: str, actor: str) -> str:
    """Title, body and trailers. Nothing a patch's author wrote can end up among the trailers: those
    are a paragraph of their own.
    """
    head = one_line(title)[:MAX_TITLE] or "Heal the build"
    text = "".join(
        c for c in body[:MAX_BODY].replace("\r\n", "\n") if c == "\n" or c.isprintable()
    ).strip()
    trailers = f"{TRAILER}: {one_line(run_id)}\nApproved-by: {one_line(actor)[:200] or 'unknown'}"
    return "\n\n".join(p for p in (head, text, trailers) if p) + "\n"


def one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
