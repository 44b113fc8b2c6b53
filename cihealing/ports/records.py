"""What the service kept: contents by their hash, and what happened to a job before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from cihealing.domain.values import Digest, ExecutionRef


class Artifacts(Protocol):
    def put(self, content: bytes | str, *, kind: str) -> Digest: ...

    def text(self, digest: Digest) -> str:
        """Raises KeyError where it was purged or never stored."""

    def patch(self, digest: Digest) -> str:
        """As `text`; bytes that are no UTF-8 stay, as `surrogateescape` has them."""


class History(Protocol):
    """What happened to a job before, as far as the service was told."""

    def last_green(
        self, repository: str, job: str, branch: str, *, before: datetime, definition: str = ""
    ) -> Green | None:
        """The newest commit this job of this definition was green on, on this branch of the
        repository itself.
        """

    def reruns(self, repository: str, commit: str, job: str) -> int:
        """Reruns asked for so far for this job on this commit, over all runs."""

    def similar_fixes(
        self, repository: str, *, error_hash: str, error_type: str, limit: int = 2
    ) -> list[PastFix]:
        """Patches that were merged for failures like this one, in this repository; the same
        fingerprint first, then the newest.
        """

    def refused_patches(self, repository: str, error_hash: str) -> set[Digest]:
        """Patches a person denied for this failure, on whichever commit: never proposed again."""

    def affected(self, run_id: UUID) -> Affected:
        """Who else meets this failure."""

    def parent_of(self, execution: ExecutionRef) -> str:
        """The provider's id of the coarser thing (workflow run, pipeline) a job run is part of;
        empty where it was not told.
        """

    def first_red(self, repository: str, job: str, error_hash: str) -> Red | None:
        """The oldest execution that failed with this fingerprint."""


@dataclass(frozen=True, kw_only=True)
class PastFix:
    summary: str
    patch: str


@dataclass(frozen=True, kw_only=True)
class Affected:
    """`runs` and `branches` of the same repository with the same failure; `cluster`: runs of any
    repository gathered in one cluster;
    `waiting`: runs attached to this one.
    """

    runs: int = 0
    waiting: int = 0
    branches: tuple[str, ...] = ()
    cluster: int = 0


@dataclass(frozen=True, kw_only=True)
class Green:
    commit: str
    url: str
    at: datetime


Red = Green
