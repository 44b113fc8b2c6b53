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
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cihealing.domain.policy import RepositoryPolicy
from cihealing.ports import Credentials, PatchRefused, PermanentError, Tree
from cihealing.scratch import scratch
from cihealing.settings import CloneSettings
from cihealing.workshop.git import GitFailed, is_commit
from cihealing.workshop.mirrors import Mirrors
from cihealing.workshop.process import check_cancelled
from cihealing.workshop.sandbox import users
from cihealing.workshop.stored import Put, StoredTree
from cihealing.workshop.worktree import (
    IDENTITY,
    UNTRACKED,
    IndexEntry,
    Workspace,
    YieldedTree,
    git_refusals_are_permanent,
    require_told_apart,
    stamps,
)

MAX_PATCH = 2 * 1024 * 1024
MAX_ENTRIES, MAX_TREE = 500_000, 4 * 1024**3
"""Files of a commit that is checked out, and bytes of all."""
MAX_CHANGED, MAX_STORED = 2_000, 8 * 1024 * 1024
"""Files of a change, and bytes of one of them."""
RULES, REGULAR = (".gitattributes", ".gitignore"), ("100644", "100755")


class GitTrees(Mirrors):
    """Private trees of exact commits, made from the mirrors, and what has changed in them."""

    def __init__(
        self,
        mirrors: Path,
        *,
        settings: CloneSettings | None = None,
        credentials: Sequence[Credentials] = (),
    ) -> None:
        super().__init__(mirrors, settings=settings, credentials=credentials)
        self._open: dict[Path, YieldedTree] = {}

    @contextlib.contextmanager
    def at(
        self, repository: str, commit: str, *, policy: RepositoryPolicy, patch: str = ""
    ) -> Iterator[Tree]:
        mirror = self._with_commit(repository, commit, policy=policy)
        with self._tree(mirror, source=commit, commit=commit, patch=patch) as tree:
            yield tree

    @contextlib.contextmanager
    def stored(
        self, repository: str, commit: str, *, policy: RepositoryPolicy, patch: str = ""
    ) -> Iterator[StoredTree]:
        mirror = self._with_commit(repository, commit, policy=policy)
        with scratch("stored") as place:
            space = Workspace(place=place, mirror=mirror)
            with git_refusals_are_permanent("the commit cannot be read"):
                source = self._indexed(space, source=commit, patch=patch) if patch else commit
                variables = space.variables if patch else {"GIT_DIR": str(mirror)}
                yield StoredTree(self.git, source, variables=variables)

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
        with git_refusals_are_permanent("the commit holds what git does not write to a disk"):
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
        command = ("--git-dir", str(mirror), "ls-tree", "-r", "-l", "-z", "--full-tree", source)
        listed = self.git(*command, entries=MAX_ENTRIES).split("\0")
        sizes = [
            int(size) for entry in listed if entry and (size := entry.split(None, 4)[3]).isdigit()
        ]
        if sum(sizes) > min(MAX_TREE, shutil.disk_usage(mirror).free // 2):
            raise PermanentError(
                f"the commit has {len(listed) - 1:,} files of {sum(sizes) // 1024**2:,} MB: more"
                " than is checked out here"
            )

    def _fill(self, space: Workspace, *, source: str, patch: str) -> str:
        """Write the files and the one-commit repository; returns the tree hash.

        The patch meets the index alone: git refuses paths that leave it. This is the last time git
        sees the tree itself.
        """
        space.root.mkdir()
        tree = self._indexed(space, source=source, patch=patch)
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

    def _indexed(self, space: Workspace, *, source: str, patch: str) -> str:
        """The hash of the tree with the patch, whose index and new objects lie beside the mirror.
        Raises PatchRefused.
        """
        for directory in (space.place / "objects", space.rules):
            directory.mkdir()
        self.git("read-tree", source, variables=space.variables)
        self._apply(space, patch)
        return self.git("write-tree", variables=space.variables).strip()

    def _apply(self, space: Workspace, patch: str) -> None:
        if not patch.strip():
            return
        if len(patch.encode("utf-8", "surrogateescape")) > MAX_PATCH:
            raise PatchRefused("the patch is larger than 2 MB")
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
            raise PatchRefused(f"the patch does not apply: {error.text[:500]}") from error

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

    def _keep_rules(self, space: Workspace, tracked: Mapping[str, tuple[str, ...]]) -> None:
        rules = "".join(
            f"{path}\0"
            for path, entry in tracked.items()
            if path.rpartition("/")[2] in RULES and entry[0] in REGULAR
        )
        checkout = ["checkout-index", "--quiet", "--force", "-z", "--stdin"]
        self.git(*checkout, f"--prefix={space.rules}/", data=rules, variables=space.variables)

    def _as_made(self, space: Workspace, tree: Tree, *, uid: int) -> YieldedTree:
        """What a later look is compared with, and git's own rules as the commit has them, out of
        reach of what will run.
        """
        listed = (
            line.partition("\t")
            for line in self.git("ls-files", "--stage", "-z", variables=space.variables).split("\0")
            if line
        )
        tracked = {path: tuple(entry.split()[:2]) for entry, _, path in listed}
        self._keep_rules(space, tracked)
        if uid != os.getuid():
            tree.give_to(uid)
        leaving = UNTRACKED - {part for path in tracked for part in path.split("/")}
        made = YieldedTree(
            space=space, tracked=tracked, leaving=leaving, stamps=dict(stamps(tree, leaving))
        )
        require_told_apart(made)
        # The clock of a file system ticks up to 10 ms apart: what is written from now on bears
        # another time.
        time.sleep(0.01)
        return made

    def diff(self, tree: Tree) -> str:
        """Raises PermanentError where more was changed than anybody could review, or what no commit
        can hold.
        """
        with git_refusals_are_permanent("what was changed cannot be told"):
            return self._diff(tree, self._made(tree))

    def _diff(self, tree: Tree, made: YieldedTree) -> str:
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
        with git_refusals_are_permanent("what was changed cannot be told"):
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

    def _same(self, tree: Tree, made: YieldedTree, path: str) -> bool:
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

    def _compared(self, tree: Tree, made: YieldedTree) -> tuple[list[str], list[str], list[str]]:
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

    def _not_ignored(self, made: YieldedTree, paths: Sequence[str]) -> list[str]:
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

    def _changes(self, tree: Tree, made: YieldedTree) -> list[IndexEntry]:
        touched, added, removed = self._compared(tree, made)
        if len(touched) + len(added) > MAX_CHANGED:
            raise PermanentError(f"more than {MAX_CHANGED} files were changed")
        stored = [(path, self._stored(tree, made, path)) for path in (*touched, *added)]
        kept = [
            IndexEntry(path=path, mode=entry[0], blob=entry[1])
            for path, entry in stored
            if entry is not None
        ]
        return [*kept, *(IndexEntry(path=path) for path in removed)]

    def _stored(self, tree: Tree, made: YieldedTree, path: str) -> tuple[str, ...] | None:
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
        put = Put(self.git, space=made.space)
        if target is not None:
            blob = put.as_is(content)
        else:
            _, before = made.tracked.get(path, ("", ""))
            blob = put.as_changed(path, content, before=before)
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

    def _made(self, tree: Tree) -> YieldedTree:
        made = self._open.get(tree.root)
        if made is None:
            raise PermanentError("this worktree was given back already")
        return made
