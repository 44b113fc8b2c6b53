"""A git repository on this machine as the forge: an approved patch becomes one commit on its
branch.

The order is: look, build the commit beside the branch, move the branch by compare-and-swap, then
refresh the worktree that has it checked out. The swap is the only step that counts: a crash before
it leaves nothing to see, a crash after it is found by the commit's `Cihealing-Run` trailer, so a
run is merged at most once.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from cihealing.domain.policy import Policy, RepositoryPolicy
from cihealing.guard import paths
from cihealing.guard.change import FileChange
from cihealing.ports import Call, HeadMoved, PermanentError, Proposal, Published, TransientError
from cihealing.ports import Change as ForgeChange
from cihealing.scratch import scratch
from cihealing.workshop.git import Git, GitFailed, is_commit, prepare_home

name = "local_git"

log = logging.getLogger(__name__)

TRAILER = "Cihealing-Run"
MAX_SEARCHED = 1_000
"""Commits after the proven one that are searched for the run's own."""
MAX_TITLE, MAX_BODY = 120, 10_000
opens_changes = False
IDENTITY = {
    "GIT_AUTHOR_NAME": "cihealing",
    "GIT_AUTHOR_EMAIL": "cihealing@localhost",
    "GIT_COMMITTER_NAME": "cihealing",
    "GIT_COMMITTER_EMAIL": "cihealing@localhost",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is to be merged where. `ref` is the full name of the branch."""

    run_id: str
    ref: str
    head: str
    patch: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The repository policy names, and how to talk to it."""

    path: Path
    git: Git

    def __call__(self, *args: str, index: Path | None = None, data: str = "") -> str:
        variables = {"GIT_INDEX_FILE": str(index), **IDENTITY} if index else IDENTITY
        return self.git("-C", str(self.path), *args, variables=variables, data=data)

    def quiet(self, *args: str) -> str | None:
        return self.git.quiet("-C", str(self.path), *args)

    def at(self, worktree: Path) -> Origin:
        return Origin(path=worktree, git=self.git)


def publish(
    proposal: Proposal, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> Published:
    """Merge the patch onto the branch as one commit on top of `head`; a repeated call finds that
    commit.

    Raises HeadMoved, PermanentError (with what a person has to do), TransientError.
    """
    if not is_commit(proposal.head):
        raise PermanentError(
            "local_git merges onto a full commit id; it was asked to merge onto"
            f" {proposal.head[:80]!r}"
        )
    message = message_of(
        title=proposal.title, body=proposal.message, run_id=proposal.run_id, actor=proposal.actor
    )
    with origin_of(proposal.repository, policy) as origin:
        change = Change(
            run_id=proposal.run_id,
            ref=ref_of(origin, proposal.branch),
            head=proposal.head,
            patch=proposal.patch,
            message=message,
        )
        commit = merged_before(origin, change) or merge_now(origin, change)
        refresh_worktrees(origin, change, commit)
        return Published(url=url_of(origin.path, commit), commit=commit, merged=True)


def planned(
    proposal: Proposal, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> list[Call]:
    path = path_of(proposal.repository, policy)
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


def merge(
    proposal: Proposal, *, url: str, sha: str, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> Published:
    raise PermanentError("a local git repository has no open changes: publishing merges at once")


def look(url: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]) -> ForgeChange:
    commit = urlsplit(url).fragment
    return ForgeChange(url=url, state="merged", head=commit, merged_commit=commit)


def close(
    url: str, *, run_id: str, reason: str, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> None:
    """What is merged cannot be closed, and nothing else is ever open here."""


def say(
    *,
    run_id: str,
    repository: str,
    commit: str,
    change: str,
    text: str,
    how: str,
    policy: RepositoryPolicy,
    settings: Mapping[str, str],
) -> str:
    """A repository without a web page has nowhere to say it."""
    return ""


def opted_out(
    repository: str, commit: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> bool:
    return False


def may(
    login: str, repository: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]
) -> bool:
    """Whoever may act in the service: the repository itself knows no people."""
    return True


def excess(*, settings: Mapping[str, str]) -> list[str]:
    return []


def leave(repository: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]) -> list[str]:
    """Nothing of the service stays in the repository but the commits that people approved."""
    return ["nothing to close: approved changes are commits of the branch"]


@contextmanager
def origin_of(repository: str, policy: RepositoryPolicy) -> Iterator[Origin]:
    path = path_of(repository, policy)
    with scratch("git") as home:
        prepare_home(Path(home))
        origin = Origin(path=path, git=Git(home=Path(home)))
        if origin.quiet("rev-parse", "--git-dir") is None:
            raise PermanentError(
                f"{path} is no git repository: correct `clone_url` of {repository} in the policy"
            )
        yield origin


def path_of(repository: str, policy: RepositoryPolicy) -> Path:
    """The directory `clone_url` names, as a path or a file URL."""
    url = policy.clone_url
    parts = urlsplit(url)
    path = Path(
        unquote(parts.path) if parts.scheme == "file" and parts.netloc in ("", "localhost") else url
    )
    if not path.is_absolute() or "\0" in str(path):
        raise PermanentError(
            f"local_git needs the absolute path of a repository as `clone_url` of {repository};"
            f" policy says {url[:200]!r}"
        )
    return path


def ref_of(origin: Origin, branch: str) -> str:
    ref = f"refs/heads/{branch}"
    if (
        "\0" in branch
        or len(branch) > 500
        or origin.quiet("check-ref-format", "--normalize", ref) != ref
    ):
        raise PermanentError(f"{branch[:80]!r} is no name of a branch")
    return ref


def tip_of(origin: Origin, ref: str) -> str | None:
    return origin.quiet("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")


def merged_before(origin: Origin, change: Change) -> str | None:
    """This run's commit on the branch, if there is one. Raises HeadMoved where the branch went
    another way.
    """
    tip = tip_of(origin, change.ref)
    if tip == change.head:
        return None
    found = None if tip is None else commit_of_run(origin, change, tip)
    if found is None:
        raise HeadMoved(change.head, tip)
    return found


def commit_of_run(origin: Origin, change: Change, tip: str) -> str | None:
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


def merge_now(origin: Origin, change: Change) -> str:
    """The run's commit on the branch, made here or, in a race, by another."""
    try:
        return move(origin, change)
    except PermanentError:
        # Between another worker's swap and its refresh the worktree looks dirty: what counts is
        # where the branch is.
        if (found := merged_before(origin, change)) is not None:
            return found
        raise


def move(origin: Origin, change: Change) -> str:
    """Build the commit, then move the branch from `head` to it."""
    trees = worktrees_on(origin, change.ref)
    for worktree in trees:
        require_clean(origin.at(worktree))
    commit = build(origin, change)
    for worktree in trees:
        require_room(origin.at(worktree), change.head, commit)
    return swap(origin, change, commit)


def build(origin: Origin, change: Change) -> str:
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


RAW = re.compile(r":(?P<old>\d{6}) (?P<new>\d{6}) [0-9a-f]+ [0-9a-f]+ (?P<status>[A-Z])\d*\Z")


def require_allowed(origin: Origin, head: str, tree: str) -> None:
    """The guard's path checks once more, on what git really built: a diff can be read in two ways,
    a tree cannot.
    """
    listed = origin("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", head, tree)
    changes = list(changes_of(listed.split("\0")))
    if not changes:
        raise PermanentError("the patch changes nothing")
    if objections := [o for o in paths.check(changes, policy=Policy()) if o.hard]:
        raise PermanentError(f"the patch is refused: {objections[0].text}")


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


def swap(origin: Origin, change: Change, commit: str) -> str:
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


def refresh_worktrees(origin: Origin, change: Change, commit: str) -> None:
    """Bring what is checked out along. The merge stands whether this works or not, so trouble is
    told and not raised.
    """
    if tip_of(origin, change.ref) != commit:
        return
    for worktree in (origin.at(w) for w in worktrees_on(origin, change.ref)):
        try:
            refresh(worktree, change.head, commit)
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


def url_of(path: Path, commit: str) -> str:
    """Names repository and commit: `git -C PATH show COMMIT` shows it."""
    return f"file://{quote(str(path))}#{commit}"
