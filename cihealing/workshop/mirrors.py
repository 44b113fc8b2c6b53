"""Mirrors of the repositories that policy names, and what their history says."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from cihealing.domain.policy import RepositoryPolicy
from cihealing.domain.values import Owner
from cihealing.ports import Credentials, PermanentError, TransientError
from cihealing.settings import CloneSettings
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
from cihealing.workshop.locking import locked
from cihealing.workshop.worktree import unsafe

MAX_FILE = 1024 * 1024
"""Bytes of a file that is read out of a commit."""


class Mirrors:
    """`mirrors`: the directory of the mirrors. `credentials`: whose tokens go before the
    settings'.
    """

    def __init__(
        self,
        mirrors: Path,
        *,
        settings: CloneSettings | None = None,
        credentials: Sequence[Credentials] = (),
    ) -> None:
        self.mirrors = mirrors.resolve()
        self.settings = settings or CloneSettings()
        self.credentials = tuple(credentials)
        self.git = Git(home=self.mirrors / ".git-home")

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
        token = short_lived or self.settings.git_token.get_secret_value()
        user = "x-access-token" if short_lived else self.settings.git_user
        return remote_environment(
            policy.clone_url, local=policy.local, home=self.git.home, token=token, user=user
        )

    def _short_lived(self, repository: str, url: str) -> str:
        tokens = (one.clone_token(repository, url) for one in self.credentials)
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


def login(mail: str) -> str:
    """GitHub's private addresses hold the login; any other address is the name itself."""
    found = re.match(r"(?:\d+\+)?([A-Za-z0-9-]+)@users\.noreply\.github\.com\Z", mail)
    return found[1] if found else mail
