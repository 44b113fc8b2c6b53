"""Facts of small streams: fingerprints, artifacts, money, messages."""

from __future__ import annotations

from uuid import UUID

from cihealing.domain.events.base import Event
from cihealing.domain.values import Digest


class FingerprintIgnored(Event, frozen=True, kw_only=True, tag="fingerprint.ignored.v1"):
    error_hash: str
    reason: str


class FingerprintHeard(Event, frozen=True, kw_only=True, tag="fingerprint.heard.v1"):
    """No longer ignored."""

    error_hash: str


class ArtifactPurged(Event, frozen=True, kw_only=True, tag="artifact.purged.v1"):
    digest: Digest
    size: int
    reason: str


class SpendReserved(Event, frozen=True, kw_only=True, tag="spend.reserved.v1"):
    """Money set aside for one call, before it is made; one stream a call."""

    run: UUID
    repository: str
    branch: str
    error_hash: str
    number: int
    """The attempt it is for; 0: an explanation."""
    provider: str
    model: str
    usd: float
    day: str
    """Of the budget it counts in, ISO date, UTC."""


class SpendSettled(Event, frozen=True, kw_only=True, tag="spend.settled.v1"):
    usd: float
    how: str
    """`answered`, `unanswered` (no call came about: it counts for nothing), or `swept` (nobody
    knows: all that was set aside).
    """


class BudgetExhausted(Event, frozen=True, kw_only=True, tag="budget.exhausted.v1"):
    """Told to people once for each day and scope."""

    scope: str
    key: str
    """The repository, or empty."""
    day: str
    limit_usd: float


class MessagePosted(Event, frozen=True, kw_only=True, tag="message.posted.v1"):
    """What people were told of a run, on a stream of its own: telling changes nothing about the
    run.
    """

    run: UUID
    chat: str
    kind: str
    handle: str = ""


SpendEvent = SpendReserved | SpendSettled
SmallEvent = (
    FingerprintIgnored
    | FingerprintHeard
    | ArtifactPurged
    | SpendEvent
    | BudgetExhausted
    | MessagePosted
)
