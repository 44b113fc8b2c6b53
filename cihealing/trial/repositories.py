"""The repository one already has: what is asked of it, read only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cihealing.ports import TransientError
from cihealing.workshop.git import Git, GitFailed, prepare_home

MAX_FILE = 50 * 1024 * 1024
"""Bytes: a larger file that is not committed is left out of the copy."""
OWN_BRANCHES = "cihealing/"


class CannotTry(Exception):
    """There is nothing to run or no way to run it; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """`root` is its working tree (bare: its directory); `prefix` the part of it that was named, `.`
    for all.
    """

    root: Path
    prefix: str
    bare: bool

    @property
    def name(self) -> str:
        return "local/" + (
            re.sub(r"[^A-Za-z0-9._-]+", "-", self.root.name.removesuffix(".git")).strip("-.")
            or "repository"
        )


def git(place: Path, *args: str) -> str:
    """git with the person's own configuration, asked about their repository in ways that run
    nothing the repository names.

    Raises GitFailed.
    """
    theirs = {"HOME": str(Path.home()), "GIT_CONFIG_GLOBAL": str(Path.home() / ".gitconfig")}
    # No protocol: a repository's configuration may name a server for what it lacks. And git's own
    # refusal of other people's repositories stands, which the service's own mirrors lift.
    return Git(environment={**theirs, "GIT_ALLOW_PROTOCOL": "none"}, anybodys=False)(
        "-C", str(place), *args
    )


def quiet(place: Path, *args: str) -> str:
    """The stripped answer; empty where git says no."""
    try:
        return git(place, *args).strip()
    except GitFailed:
        return ""


def find(path: Path) -> Repository:
    """The repository `path` is, or lies in. Raises CannotTry."""
    place = path.expanduser().resolve()
    if not place.is_dir():
        raise CannotTry(f"{path} is no directory")
    bare, inside = asked(place)
    if not bare and not inside:
        raise CannotTry(f"{path} lies inside a .git directory: name the working tree")
    root = Path(
        git(place, "rev-parse", "--absolute-git-dir" if bare else "--show-toplevel").removesuffix(
            "\n"
        )
    )
    if not quiet(place, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
        raise CannotTry(f"{path} has no commit yet: make one, then try again")
    return Repository(
        root=root, prefix="." if bare else os.path.relpath(place, root.resolve()), bare=bare
    )


def asked(place: Path) -> tuple[bool, bool]:
    """(bare, inside a working tree). Raises CannotTry where it is no repository, or git will not
    touch it.
    """
    try:
        bare, inside = git(
            place, "rev-parse", "--is-bare-repository", "--is-inside-work-tree"
        ).split()
    except GitFailed as error:
        if "not a git repository" in error.text:
            raise CannotTry(
                f"{place} is no git repository: `git init` it and commit, then try again"
            ) from None
        raise CannotTry(f"git says of {place}: {error.text}") from None
    return bare == "true", inside == "true"


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A bare repository with HEAD's branch and the branch it would be merged into. `changed` are
    the uncommitted files in `commit`.
    """

    origin: Path
    branch: str
    base: str
    commit: str
    changed: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Copying:
    """`into` is a private directory; git runs there without hooks or this machine's
    configuration.
    """

    repository: Repository
    into: Path

    @property
    def origin(self) -> Path:
        return self.into / "origin.git"

    def __call__(self) -> Copy:
        """Raises CannotTry."""
        prepare_home(self.into / "home")
        try:
            return self._copied()
        except (GitFailed, TransientError) as error:
            raise CannotTry(f"{self.repository.root} could not be copied: {error}") from error

    @property
    def own(self) -> Git:
        return Git(
            home=self.into / "home",
            environment={"GIT_ALLOW_PROTOCOL": "file", "GIT_DIR": str(self.origin)},
        )

    def git(self, *args: str, data: str = "", **variables: str) -> str:
        return self.own(*args, variables=variables, data=data).strip()

    def _copied(self) -> Copy:
        branch = (
            quiet(self.repository.root, "symbolic-ref", "--quiet", "--short", "HEAD").removeprefix(
                OWN_BRANCHES
            )
            or "detached"
        )
        base, source = base_of(self.repository.root, branch)
        refs = [f"+HEAD:refs/heads/{branch}", *([f"+{source}:refs/heads/{base}"] if source else [])]
        self.git("init", "--bare", "--quiet", "--", str(self.origin))
        fetch = (
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--update-shallow",
            "--force",
        )
        self.git(*fetch, "--", str(self.repository.root), *refs)
        head = (
            self._rooted(branch)
            if (self.origin / "shallow").exists()
            else self.git("rev-parse", f"refs/heads/{branch}")
        )
        changed, left_out = self._uncommitted()
        commit = self._with(changed, branch=branch, head=head) if changed else head
        return Copy(
            origin=self.origin,
            branch=branch,
            base=base,
            commit=commit,
            changed=changed,
            left_out=left_out,
        )

    def _rooted(self, branch: str) -> str:
        """A shallow clone ends in commits whose parents are missing, and nobody fetches from such:
        one commit stands for its history.
        """
        tree = self.git("rev-parse", f"refs/heads/{branch}^{{tree}}")
        name, _, mail = self.git(
            "log", "-1", "--format=%an%n%ae", f"refs/heads/{branch}"
        ).partition("\n")
        for ref in self.git("for-each-ref", "--format=%(refname)").splitlines():
            self.git("update-ref", "-d", ref)
        (self.origin / "shallow").unlink()
        return self._commit(
            tree, "the newest commit of a shallow clone", branch=branch, author=(name, mail)
        )

    def _uncommitted(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(files that differ from HEAD or are new and not ignored, those of them that are too large
        to be copied).

        What differs is asked with the copy's configuration: a filter that theirs names would be run
        on every file.
        """
        root = self.repository.root
        if self.repository.bare:
            return (), ()
        own = {"GIT_INDEX_FILE": str(self.into / "seen"), "GIT_WORK_TREE": str(root)}
        paths = [p for p in dict.fromkeys(self._differing(root, own)) if p and not p.endswith("/")]
        large = tuple(p for p in paths if too_large(root / p))
        return tuple(p for p in paths if p not in large), large

    def _differing(self, root: Path, own: Mapping[str, str]) -> list[str]:
        self.git("read-tree", git(root, "rev-parse", "HEAD^{commit}").strip(), **own)
        # "No" says that some differ, which is the question.
        refresh = ["update-index", "-q", "--really-refresh", "--ignore-missing"]
        self.own.quiet("-C", str(root), *refresh, variables=own)
        by_name = ["--name-only", "--no-renames", "--ignore-submodules=all", "-z"]
        differing = self.git("-C", str(root), "diff-files", *by_name, **own)
        staged = git(root, "diff-index", "--cached", *by_name, "HEAD")
        new = git(root, "ls-files", "--others", "--exclude-standard", "-z")
        return (differing + "\0" + staged + new).split("\0")

    def _with(self, changed: Sequence[str], *, branch: str, head: str) -> str:
        """A commit on top of `head` with these files as they lie in the working tree; only the copy
        is written to.
        """
        variables = {
            "GIT_INDEX_FILE": str(self.into / "index"),
            "GIT_WORK_TREE": str(self.repository.root),
        }
        self.git("read-tree", head, **variables)
        paths = "".join(f"{path}\0" for path in changed)
        at_root = ("-C", str(self.repository.root))
        self.git(
            *at_root,
            "update-index",
            "--add",
            "--remove",
            "--replace",
            "-z",
            "--stdin",
            data=paths,
            **variables,
        )
        tree = self.git("write-tree", **variables)
        return self._commit(
            tree,
            "what is not committed yet",
            "-p",
            head,
            branch=branch,
            author=person(self.repository.root),
        )

    def _commit(
        self, tree: str, message: str, *parents: str, branch: str, author: tuple[str, str]
    ) -> str:
        names = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in zip(("NAME", "EMAIL"), author, strict=True)
        }
        commit = self.git("commit-tree", tree, *parents, "-m", message, **names)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return commit


def person(root: Path) -> tuple[str, str]:
    """Whoever works there: name and address as git knows them."""
    name, mail = quiet(root, "config", "user.name"), quiet(root, "config", "user.email")
    return name or "you", mail or "you@localhost"


def base_of(root: Path, branch: str) -> tuple[str, str]:
    """(the branch HEAD's would be merged into, the ref that has it); HEAD's own branch has no
    other.
    """
    remote = quiet(
        root, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"
    ).removeprefix("origin/")
    for name in filter(None, (remote, "main", "master")):
        for ref in (f"refs/remotes/origin/{name}", f"refs/heads/{name}"):
            if name != branch and quiet(
                root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"
            ):
                return name, ref
        if name == branch:
            break
    return branch, ""


def too_large(path: Path) -> bool:
    try:
        return path.lstat().st_size > MAX_FILE
    except OSError:
        return False
