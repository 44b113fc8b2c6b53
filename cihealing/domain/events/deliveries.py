"""Facts about a delivery: streams beside those of runs."""

from __future__ import annotations

from uuid import UUID

from cihealing.domain.events.base import Event
from cihealing.domain.values import Digest, Failed, Ignored, Passed


class DeliveryReceived(Event, frozen=True, kw_only=True, tag="delivery.received.v1"):
    hook: str
    key: str
    provider: str
    results: tuple[Failed | Passed | Ignored, ...]
    """Redacted, their logs moved to artifacts."""
    logs: tuple[Digest, ...]
    """One a result, empty where it carried none."""


class ResultJudged(Event, frozen=True, kw_only=True, tag="result.judged.v1"):
    """What became of one result of the delivery."""

    position: int
    run: UUID | None = None
    status: str = ""
    deduplicated: bool = False
    ignored: str = ""
    log: Digest = ""
    """Fetched later than received."""
    identified: Failed | Passed | None = None
    """The result with what its sender did not say and the provider did."""


class ResultExpanded(Event, frozen=True, kw_only=True, tag="result.expanded.v1"):
    """A coarse result fanned out into job results, appended after the received ones."""

    position: int
    results: tuple[Failed | Passed | Ignored, ...]


class DeliveryGaveUp(Event, frozen=True, kw_only=True, tag="delivery.gave_up.v1"):
    effect: str
    reason: str


DeliveryEvent = DeliveryReceived | ResultJudged | ResultExpanded | DeliveryGaveUp
