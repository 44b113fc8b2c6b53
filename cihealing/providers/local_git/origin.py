"""A repository on this machine, and how to talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from cihealing.domain.policy import RepositoryPolicy
from cihealing.ports import PermanentError
from cihealing.scratch import scratch
from cihealing.workshop.git import Git, prepare_home

IDENTITY = {
    "GIT_AUTHOR_NAME": "cihealing",
    "GIT_AUTHOR_EMAIL": "cihealing@localhost",
    "GIT_COMMITTER_NAME": "cihealing",
    "GIT_COMMITTER_EMAIL": "cihealing@localhost",
}


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


def url_of(path: Path, commit: str) -> str:
    """Names repository and commit: `git -C PATH show COMMIT` shows it."""
    return f"file://{quote(str(path))}#{commit}"
