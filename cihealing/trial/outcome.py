"""What came of a try, and putting its patch in place."""

from __future__ import annotations

from dataclasses import dataclass

from cihealing.domain.policy import Project
from cihealing.domain.values import Observation
from cihealing.read.rows import RunDetail
from cihealing.trial.repositories import Repository
from cihealing.workshop.git import Git, GitFailed


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
    def well(self) -> bool:
        return self.verdict in ("green", "proven", "flake")


def verdict_of(run: RunDetail) -> str:
    if run.status == "fixed" and run.proven:
        return "proven"
    return "flake" if run.resolution == "flake" else run.status


def apply(repository: Repository, patch: str) -> None:
    """Change the files of the working tree as the patch says; all of it or nothing. Raises
    CannotApply.
    """
    if repository.bare:
        raise CannotApply(
            f"{repository.root} is bare: it has no working tree to apply the patch to"
        )
    # Away from the repository's own configuration, whose filters would be run on what is written.
    elsewhere = Git(environment={"GIT_DIR": "/nonexistent", "GIT_CEILING_DIRECTORIES": "/"})
    for check in (("--check",), ()):
        try:
            elsewhere(
                "-C", str(repository.root), "apply", *check, "--whitespace=nowarn", "-", data=patch
            )
        except GitFailed as error:
            raise CannotApply(
                f"the patch does not fit what lies in {repository.root} now: {error.text}"
            ) from error
