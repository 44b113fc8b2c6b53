"""Mirrors of the repositories policy names, and private worktrees of exact commits.

One bare mirror a repository below `mirrors`; a worktree is a directory of its own that holds the
files, and a `.git` with that one commit and no remote, so that tools which ask git still work. It
is removed when it is given back.

Once repository code ran in a worktree git does not look at it again: what was changed is found and
read by `Tree`, and given to git as bytes, beside the mirror, with the commit's own attribute and
ignore rules.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cihealing.domain.policy import RepositoryPolicy
from cihealing.domain.values import Owner
from cihealing.ports import Credentials, PermanentError, TransientError, Tree
from cihealing.tree import TooLarge, scratch, shown
from cihealing.workshop import owners
from cihealing.workshop.git import (
    REMOTE_TIMEOUT,
    Git,
    GitFailed,
    is_commit,
    prepare_home,
    remote_environment,
    remote_error,
)
from cihealing.workshop.process import check_cancelled
from cihealing.workshop.sandbox import users

MAX_PATCH = 2 * 1024 * 1024
MAX_FILE = 1024 * 1024
LOCK_TIMEOUT = 300.0
MAX_ENTRIES, MAX_TREE = 500_000, 4 * 1024**3
"""Files of a commit that is checked out, and bytes of all."""
MAX_CHANGED, MAX_STORED = 2_000, 8 * 1024 * 1024
"""Files of a change, and bytes of one of them."""
UNTRACKED = frozenset(
    {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", "node_modules"}
)
"""What tools leave behind; never part of a change unless the commit has such files itself."""
RULES, REGULAR = (".gitattributes", ".gitignore"), ("100644", "100755")
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


class GitTrees:
    """`mirrors`: the directory of the mirrors. `settings`: CI_HEALING_GIT_TOKEN and
    CI_HEALING_GIT_USER for https clones. `credentials`: whose tokens go before that.
    """

    def __init__(
        self,
        mirrors: Path,
        *,
        settings: Mapping[str, str] | None = None,
        credentials: Sequence[Credentials] = (),
    ) -> None:
        self.mirrors = mirrors.resolve()
        self.settings = dict(settings or {})
        self.credentials = tuple(credentials)
        self.git = Git(home=self.mirrors / ".git-home")
        self._open: dict[Path, Made] = {}

    def mirror_path(self, repository: str) -> Path:
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", repository)[:60].lstrip(".")
        return (
            self.mirrors / f"{readable}-{hashlib.sha256(repository.encode()).hexdigest()[:16]}.git"
        )

    def _mirror(self, repository: str, *, policy: RepositoryPolicy) -> Path:
        """The mirror, made where it does not exist yet. Raises PermanentError where policy gives no
        clone URL.
        """
        if not policy.clone_url or policy.clone_url.startswith("-"):
            raise PermanentError(
                f"{repository} has no `clone_url` in the policy: add it, so that its code can be"
                " looked at"
            )
        prepare_home(self.git.home)
        path = self.mirror_path(repository)
        if not (path / "HEAD").is_file():
            with locked(path):
                self.git("init", "--bare", "--quiet", "--", str(path))
        return path

    def _remote(self, repository: str, policy: RepositoryPolicy) -> dict[str, str]:
        """A provider's token lives an hour and is of this repository alone: it goes before the
        setting's.
        """
        short_lived = self._short_lived(repository, policy.clone_url)
        token = short_lived or self.settings.get("CI_HEALING_GIT_TOKEN", "")
        user = (
            "x-access-token"
            if short_lived
            else self.settings.get("CI_HEALING_GIT_USER", "x-access-token")
        )
        return remote_environment(
            policy.clone_url, forge=policy.forge, home=self.git.home, token=token, user=user
        )

    def _short_lived(self, repository: str, url: str) -> str:
        tokens = (one.clone_token(repository, url, self.settings) for one in self.credentials)
        return next((token for token in tokens if token), "")

    def _fetch(
        self, repository: str, mirror: Path, *, policy: RepositoryPolicy, refs: Sequence[str]
    ) -> None:
        command = (
            "--git-dir",
            str(mirror),
            "fetch",
            "--quiet",
            "--no-tags",
            "--prune",
            "--no-write-fetch-head",
            "--force",
        )
        try:
            with locked(mirror):
                self.git(
                    *command,
                    "--",
                    policy.clone_url,
                    *refs,
                    variables=self._remote(repository, policy),
                    timeout=REMOTE_TIMEOUT,
                )
        except GitFailed as error:
            raise remote_error(error, what=f"{repository} could not be fetched") from error

    def _with_commit(self, repository: str, commit: str, *, policy: RepositoryPolicy) -> Path:
        """A mirror that has `commit`: asked of the origin's branches, then by its id (a pull
        request's head is on no branch).
        """
        if not is_commit(commit):
            raise PermanentError(f"{commit[:80]!r} is no full commit id")
        mirror = self._mirror(repository, policy=policy)
        if not self._has(mirror, commit):
            self._fetch(repository, mirror, policy=policy, refs=["+refs/heads/*:refs/heads/*"])
        if not self._has(mirror, commit):
            with contextlib.suppress(PermanentError, TransientError):
                self._fetch(
                    repository, mirror, policy=policy, refs=[f"+{commit}:refs/cihealing/{commit}"]
                )
        if not self._has(mirror, commit):
            raise PermanentError(
                f"{repository} has no commit {commit} at its clone URL (pushed over, or a fork's?)"
            )
        return mirror

    def _has(self, mirror: Path, commit: str) -> bool:
        return self.git.quiet("--git-dir", str(mirror), "cat-file", "-t", commit) == "commit"

    def _ask(self, mirror: Path, *args: str) -> str | None:
        return self.git.quiet("--git-dir", str(mirror), *args)

    def _resolve(
        self, repository: str, commitish: str, *, policy: RepositoryPolicy
    ) -> tuple[Path, str] | None:
        """A commit id as it is, a branch name as the origin has it now; None where there is no such
        branch.
        """
        if is_commit(commitish):
            return self._with_commit(repository, commitish, policy=policy), commitish
        commit = self.head(repository, commitish, policy=policy)
        return (
            None
            if commit is None
            else (self._with_commit(repository, commit, policy=policy), commit)
        )

    def head(self, repository: str, branch: str, *, policy: RepositoryPolicy) -> str | None:
        """The commit the origin's branch points at now (asks the origin)."""
        self._mirror(repository, policy=policy)
        ref = f"refs/heads/{branch}"
        if not self._well_formed(ref):
            return None
        try:
            answer = self.git(
                "ls-remote",
                "--",
                policy.clone_url,
                ref,
                variables=self._remote(repository, policy),
                timeout=REMOTE_TIMEOUT,
            )
        except GitFailed as error:
            raise remote_error(
                error, what=f"{repository} could not be asked for {branch[:100]}"
            ) from error
        found = [line.split("\t") for line in answer.splitlines()]
        return next((commit for commit, name in found if name == ref and is_commit(commit)), None)

    def _well_formed(self, ref: str) -> bool:
        try:
            self.git("check-ref-format", ref)
        except (GitFailed, ValueError):
            return False
        return True

    def merge_base(
        self, repository: str, commit: str, branch: str, *, policy: RepositoryPolicy
    ) -> str | None:
        mirror = self._with_commit(repository, commit, policy=policy)
        tip = self.head(repository, branch, policy=policy)
        if tip is None:
            return None
        self._with_commit(repository, tip, policy=policy)
        return self._ask(mirror, "merge-base", commit, tip)

    def first_parent(self, repository: str, commit: str, *, policy: RepositoryPolicy) -> str | None:
        mirror = self._with_commit(repository, commit, policy=policy)
        return self._ask(mirror, "rev-parse", "--verify", "--quiet", f"{commit}^1^{{commit}}")

    def show(self, repository: str, commit: str, *, policy: RepositoryPolicy) -> str:
        """What the commit changed against its first parent; of the first commit of all nothing is
        said.
        """
        parent = self.first_parent(repository, commit, policy=policy)
        return self.between(repository, parent, commit, policy=policy) if parent else ""

    def between(self, repository: str, commit: str, other: str, *, policy: RepositoryPolicy) -> str:
        """The diff from one commit to another, as text; binary files are named only. Raises
        PermanentError where one is unknown.
        """
        self._with_commit(repository, commit, policy=policy)
        mirror = self._with_commit(repository, other, policy=policy)
        asked = (
            "diff",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            "--full-index",
            commit,
            other,
            "--",
        )
        return self._ask(mirror, *asked) or ""

    def read_file(
        self, repository: str, commit: str, path: str, *, policy: RepositoryPolicy
    ) -> str | None:
        """The text of a regular file (at most 1 MB) at a commit, or at the head of a branch; None
        where there is none.
        """
        resolved = self._resolve(repository, commit, policy=policy)
        if resolved is None or unsafe(path):
            return None
        mirror, commit = resolved
        entry = (
            self._ask(mirror, "ls-tree", "-l", "--full-tree", commit, "--", f":(literal){path}")
            or ""
        )
        mode, kind, blob, size = (*entry.partition("\t")[0].split(), "", "", "", "")[:4]
        if kind != "blob" or mode == "120000" or not size.isdigit() or int(size) > MAX_FILE:
            return None
        return self.git("--git-dir", str(mirror), "cat-file", "blob", blob)

    def files(self, repository: str, commit: str, *, policy: RepositoryPolicy) -> tuple[str, ...]:
        """Every path at a commit, or at the head of a branch."""
        resolved = self._resolve(repository, commit, policy=policy)
        return () if resolved is None else self._files(*resolved)

    def _files(self, mirror: Path, commit: str) -> tuple[str, ...]:
        return tuple(
            p
            for p in self.git(
                "--git-dir", str(mirror), "ls-tree", "-r", "-z", "--name-only", commit
            ).split("\0")
            if p
        )

    def owner(
        self, repository: str, commit: str, files: Sequence[str], *, policy: RepositoryPolicy
    ) -> Owner | None:
        mirror = self._with_commit(repository, commit, policy=policy)
        known = self._known(mirror, commit, files)
        text = next(
            filter(
                None, (self.read_file(repository, commit, p, policy=policy) for p in owners.PLACES)
            ),
            "",
        )
        for file in known:
            if name := owners.owner_of(file, codeowners=text):
                return Owner(name=name, source="codeowners")
        return self._author(mirror, commit, known)

    def _known(self, mirror: Path, commit: str, files: Sequence[str]) -> list[str]:
        """Those of `files` the commit has; a path from a log may carry the build directory in
        front.
        """
        present = set(self._files(mirror, commit))
        tails = (
            (f, "/".join(f.split("/")[i:]))
            for f in files[:50]
            for i in range(min(f.count("/") + 1, 20))
        )
        first: dict[str, str] = {}
        for file, tail in tails:
            if tail in present:
                first.setdefault(file, tail)
        return list(dict.fromkeys(first.values()))

    def _author(self, mirror: Path, commit: str, files: Sequence[str]) -> Owner | None:
        for file in files:
            if name := self._last_author(mirror, commit, "--", f":(literal){file}"):
                return Owner(name=name, source=f"last author of {file}")
        name = self._last_author(mirror, commit)
        return Owner(name=name, source="commit author") if name else None

    def _last_author(self, mirror: Path, commit: str, *paths: str) -> str | None:
        answer = (
            self._ask(
                mirror,
                "log",
                "-20",
                "--no-merges",
                "--no-show-signature",
                "--format=%ae",
                commit,
                *paths,
            )
            or ""
        )
        # A bot's change has no one to ask: the person before it is the one who knows the file.
        return next(
            (login(mail) for mail in answer.splitlines() if mail and "[bot]@" not in mail), None
        )

    @contextlib.contextmanager
    def at(
        self, repository: str, commit: str, *, policy: RepositoryPolicy, patch: str = ""
    ) -> Iterator[Tree]:
        mirror = self._with_commit(repository, commit, policy=policy)
        with self._tree(mirror, source=commit, commit=commit, patch=patch) as tree:
            yield tree

    @contextlib.contextmanager
    def at_merge(
        self, repository: str, commit: str, base: str, *, policy: RepositoryPolicy, patch: str = ""
    ) -> Iterator[Tree]:
        """`commit` merged into `base` (a branch or commit), as CI builds a pull request. Raises
        PermanentError on a conflict.
        """
        mirror = self._with_commit(repository, commit, policy=policy)
        resolved = self._resolve(repository, base, policy=policy)
        if resolved is None:
            raise PermanentError(f"{repository} has no branch {base[:100]!r}")
        merged = self._ask(
            mirror, "merge-tree", "--write-tree", "--no-messages", resolved[1], commit
        )
        if merged is None or not is_commit(merged):
            raise PermanentError(
                f"{commit} does not merge into {base[:100]} without a conflict: rebase it"
            )
        with self._tree(mirror, source=merged, commit=commit, patch=patch) as tree:
            yield tree

    @contextlib.contextmanager
    def _tree(self, mirror: Path, *, source: str, commit: str, patch: str) -> Iterator[Tree]:
        with scratch("tree") as place, users.lease() as uid:
            space = Workspace(place=place, mirror=mirror)
            try:
                tree = self._made_of(space, source=source, commit=commit, patch=patch, uid=uid)
                yield tree
            finally:
                self._open.pop(space.root, None)

    def _made_of(self, space: Workspace, *, source: str, commit: str, patch: str, uid: int) -> Tree:
        with told("the commit holds what git does not write to a disk"):
            self._require_size(mirror=space.mirror, source=source)
            tree = Tree(
                root=space.root, commit=commit, tree=self._fill(space, source=source, patch=patch)
            )
            self._open[space.root] = self._as_made(space, tree, uid=uid)
        return tree

    def _require_size(self, *, mirror: Path, source: str) -> None:
        """A few kilobytes of trees that name each other can unfold to any number of files. Raises
        PermanentError, GitFailed.
        """
        listed = self.git(
            "--git-dir", str(mirror), "ls-tree", "-r", "-l", "-z", "--full-tree", source
        ).split("\0")
        sizes = [
            int(size) for entry in listed if entry and (size := entry.split(None, 4)[3]).isdigit()
        ]
        if len(listed) > MAX_ENTRIES or sum(sizes) > min(
            MAX_TREE, shutil.disk_usage(mirror).free // 2
        ):
            raise PermanentError(
                f"the commit has {len(listed) - 1:,} files of {sum(sizes) // 1024**2:,} MB: more"
                " than is checked out here"
            )

    def _fill(self, space: Workspace, *, source: str, patch: str) -> str:
        """Write the files and the one-commit repository; returns the tree hash.

        The patch meets the index alone: git refuses paths that leave it. This is the last time git
        sees the tree itself.
        """
        for directory in (space.place / "objects", space.root, space.rules):
            directory.mkdir()
        self.git("read-tree", source, variables=space.variables)
        self._apply(space, patch)
        tree = self.git("write-tree", variables=space.variables).strip()
        self.git(
            "checkout-index",
            "--all",
            "--force",
            "--quiet",
            "--index",
            variables={**space.variables, "GIT_WORK_TREE": str(space.root)},
        )
        self._own_repository(space, tree)
        return tree

    def _apply(self, space: Workspace, patch: str) -> None:
        if not patch.strip():
            return
        if len(patch.encode("utf-8", "replace")) > MAX_PATCH:
            raise PermanentError("the patch is larger than 2 MB")
        try:
            self.git(
                "apply",
                "--cached",
                "--whitespace=nowarn",
                "-",
                variables=space.variables,
                data=patch,
            )
        except GitFailed as error:
            raise PermanentError(f"the patch does not apply: {error.text[:500]}") from error

    def _own_repository(self, space: Workspace, tree: str) -> None:
        """A `.git` in the tree that holds this one commit and points nowhere."""
        commit = self.git(
            "commit-tree",
            "-m",
            "the tree under test",
            tree,
            variables={**space.variables, **IDENTITY},
        ).strip()
        own = space.root / ".git"
        # No template: it would bring hooks and a path of this machine.
        self.git("init", "--quiet", "--template=", "--", str(space.root))
        (own / "objects" / "pack").mkdir(parents=True, exist_ok=True)
        self.git(
            "pack-objects",
            "--quiet",
            "--revs",
            str(own / "objects/pack/pack"),
            variables=space.variables,
            data=f"{commit}\n",
        )
        self.git("--git-dir", str(own), "update-ref", "HEAD", commit)
        shutil.copyfile(space.place / "index", own / "index")

    def _as_made(self, space: Workspace, tree: Tree, *, uid: int) -> Made:
        """What a later look is compared with, and git's own rules as the commit has them, out of
        reach of what will run.
        """
        listed = (
            line.partition("\t")
            for line in self.git("ls-files", "--stage", "-z", variables=space.variables).split("\0")
            if line
        )
        tracked = {path: tuple(entry.split()[:2]) for entry, _, path in listed}
        rules = "".join(
            f"{path}\0"
            for path, entry in tracked.items()
            if path.rpartition("/")[2] in RULES and entry[0] in REGULAR
        )
        checkout = (
            "checkout-index",
            "--quiet",
            "--force",
            "-z",
            "--stdin",
            f"--prefix={space.rules}/",
        )
        self.git(*checkout, data=rules, variables=space.variables)
        if uid != os.getuid():
            tree.give_to(uid)
        leaving = UNTRACKED - {part for path in tracked for part in path.split("/")}
        made = Made(
            space=space, tracked=tracked, leaving=leaving, stamps=dict(stamps(tree, leaving))
        )
        if lost := [
            path
            for path, entry in tracked.items()
            if entry[0] != "160000" and path not in made.stamps
        ]:
            raise PermanentError(
                "names of the commit that this machine does not tell apart:"
                f" {', '.join(map(shown, lost[:3]))}"
            )
        if found := colliding(tracked):
            raise PermanentError(
                "the commit has a link and a directory whose names differ in case only:"
                f" {shown(found)}"
            )
        # The clock of a file system ticks up to 10 ms apart: what is written from now on bears
        # another time.
        time.sleep(0.01)
        return made

    def diff(self, tree: Tree) -> str:
        """Raises PermanentError where more was changed than anybody could review, or what no commit
        can hold.
        """
        with told("what was changed cannot be told"):
            return self._diff(tree, self._made(tree))

    def _diff(self, tree: Tree, made: Made) -> str:
        changes = self._changes(tree, made)
        self.git("read-tree", tree.tree, variables=made.space.variables)
        self.git(
            "update-index",
            "-z",
            "--index-info",
            data="".join(map(str, changes)),
            variables=made.space.variables,
        )
        return self.git(
            "diff-index",
            "--cached",
            "--patch",
            "--binary",
            "--no-ext-diff",
            "--no-textconv",
            "--full-index",
            "--no-renames",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            tree.tree,
            variables=made.space.variables,
        )

    def changed(self, tree: Tree) -> tuple[str, ...]:
        """Paths that were changed, added or removed below the tree since it was yielded (ignored
        files aside).
        """
        made = self._made(tree)
        with told("what was changed cannot be told"):
            touched, added, removed = self._compared(tree, made)
            different = [path for path in touched if not self._same(tree, made, path)]
            # git knows of line ends and the like; beyond what anybody changes on purpose it is not
            # asked.
            changed = [
                p
                for n, p in enumerate(different)
                if n >= MAX_CHANGED or self._stored(tree, made, p) != made.tracked[p]
            ]
        return tuple(sorted([*changed, *added, *removed]))

    def _same(self, tree: Tree, made: Made, path: str) -> bool:
        """Whether a file that was touched is, byte by byte and by its mode, what git has of it."""
        check_cancelled()
        mode, blob = made.tracked[path]
        content, found = tree.read(path, limit=MAX_STORED), tree.entry(path)
        if (
            content is None
            or found is None
            or mode not in REGULAR
            or (mode == "100755") != bool(found.status.st_mode & 0o100)
        ):
            return False
        digest = hashlib.sha1 if len(blob) == 40 else hashlib.sha256
        return digest(b"blob %d\0" % len(content) + content).hexdigest() == blob

    def _compared(self, tree: Tree, made: Made) -> tuple[list[str], list[str], list[str]]:
        """(tracked files that were touched, files that are new and not ignored, tracked files that
        are gone).
        """
        now = dict(stamps(tree, made.leaving))
        touched = [
            path for path, stamp in made.stamps.items() if path in now and now[path] != stamp
        ]
        fresh = [path for path in now if path not in made.stamps and not made.is_elsewhere(path)]
        return (
            touched,
            self._not_ignored(made, fresh),
            [path for path in made.stamps if path not in now],
        )

    def _not_ignored(self, made: Made, paths: Sequence[str]) -> list[str]:
        if not paths:
            return []
        # With `./` before it no name is taken for a pattern.
        asked = "".join(f"./{path}\0" for path in paths)
        try:
            answer = self.git(
                "check-ignore",
                "--no-index",
                "-z",
                "--stdin",
                data=asked,
                variables=made.space.variables,
            )
        except GitFailed as error:
            if error.code != 1:  # "none of them is"
                raise
            answer = ""
        ignored = set(answer.split("\0"))
        return [path for path in paths if f"./{path}" not in ignored]

    def _changes(self, tree: Tree, made: Made) -> list[Change]:
        touched, added, removed = self._compared(tree, made)
        if len(touched) + len(added) > MAX_CHANGED:
            raise PermanentError(f"more than {MAX_CHANGED} files were changed")
        stored = [(path, self._stored(tree, made, path)) for path in (*touched, *added)]
        kept = [
            Change(path=path, mode=entry[0], blob=entry[1])
            for path, entry in stored
            if entry is not None
        ]
        return [*kept, *(Change(path=path) for path in removed)]

    def _stored(self, tree: Tree, made: Made, path: str) -> tuple[str, ...] | None:
        """(mode, blob) of what lies there now, put among the objects; None for what no commit can
        hold.
        """
        target = tree.link(path)
        content = (
            target.encode("utf-8", "surrogateescape")
            if target is not None
            else tree.read(path, limit=MAX_STORED)
        )
        found = tree.entry(path)
        if content is None or found is None:
            return None
        check_cancelled()
        how = ("--no-filters",) if target is not None else (f"--path={path}",)
        blob = self.git(
            "hash-object", "-w", "--stdin", *how, content=content, variables=made.space.variables
        ).strip()
        return (
            (
                "120000"
                if target is not None
                else "100755"
                if found.status.st_mode & 0o100
                else "100644"
            ),
            blob,
        )

    def _made(self, tree: Tree) -> Made:
        made = self._open.get(tree.root)
        if made is None:
            raise PermanentError("this worktree was given back already")
        return made


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
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
class Change:
    """One line of `git update-index --index-info`; without a blob the path is taken away."""

    path: str
    mode: str = "0"
    blob: str = "0" * 40

    def __str__(self) -> str:
        return f"{self.mode} {self.blob}\t{self.path}\0"


@dataclass(frozen=True, kw_only=True)
class Made:
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


def login(mail: str) -> str:
    """GitHub's private addresses hold the login; any other address is the name itself."""
    found = re.match(r"(?:\d+\+)?([A-Za-z0-9-]+)@users\.noreply\.github\.com\Z", mail)
    return found[1] if found else mail


@contextlib.contextmanager
def locked(mirror: Path) -> Iterator[None]:
    """One writer a mirror, across threads and processes. Raises TransientError after five
    minutes.
    """
    mirror.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_TIMEOUT
    with mirror.with_suffix(".lock").open("w") as file:
        while not _taken(file.fileno()):
            check_cancelled()
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{mirror.name} is being fetched by another worker for over five minutes"
                )
            time.sleep(0.05)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
