"""Whose failure it is, and reruns of the unchanged commit."""

from __future__ import annotations

from uuid import UUID

from cihealing.domain.events.base import Event
from cihealing.domain.values import Blame, ExecutionRef, Owner


class BlameFound(Event, frozen=True, kw_only=True, tag="blame.found.v1"):
    blame: Blame
    reason: str
    base_commit: str = ""
    owner: Owner | None = None


class BaseClaimed(Event, frozen=True, kw_only=True, tag="base.claimed.v1"):
    branch: str
    head: str
    """The head of the branch that the proof goes on with."""


class AttachedToBase(Event, frozen=True, kw_only=True, tag="base.attached.v1"):
    leader: UUID


class ClusterOpened(Event, frozen=True, kw_only=True, tag="cluster.opened.v1"):
    """The first run of a failure of the machines or the environment: it stands for those that meet
    the same one.
    """


class ClusterClosed(Event, frozen=True, kw_only=True, tag="cluster.closed.v1"):
    """It was open for long enough: the next run that meets the failure stands for itself and for
    those after it.
    """


class RunClustered(Event, frozen=True, kw_only=True, tag="run.clustered.v1"):
    """The same failure as `leader`'s: it is diagnosed and told once, there."""

    leader: UUID


class RerunRequested(Event, frozen=True, kw_only=True, tag="rerun.requested.v1"):
    number: int
    handle: str


class RerunFinished(Event, frozen=True, kw_only=True, tag="rerun.finished.v1"):
    outcome: str
    """`green`, `same` or `other`."""
    execution: ExecutionRef
    successor: UUID | None = None


class RerunLost(Event, frozen=True, kw_only=True, tag="rerun.lost.v1"):
    """No result came in time."""

    number: int


BlameEvent = (
    BlameFound
    | BaseClaimed
    | AttachedToBase
    | ClusterOpened
    | ClusterClosed
    | RunClustered
    | RerunRequested
    | RerunFinished
    | RerunLost
)
