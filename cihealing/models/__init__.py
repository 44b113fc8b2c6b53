"""Tables: the events, what waits to be done, artifacts, and the rows derived from events.

Only `store` and `service` write here; only `read` reads for people. Constraints live in the
database.
"""

from __future__ import annotations

from cihealing.models.deliveries import Delivery, Execution, WaitingLog
from cihealing.models.facts import Artifact, StoredEvent
from cihealing.models.figures import Counter, RunCount, RunWords, Tally
from cihealing.models.runs import (
    Attempt,
    BaseClaim,
    ChatMessage,
    ClusterClaim,
    IgnoredFingerprint,
    Run,
    Spend,
)
from cihealing.models.work import Clock, Outbox

__all__ = [
    "Artifact",
    "Attempt",
    "BaseClaim",
    "ChatMessage",
    "Clock",
    "ClusterClaim",
    "Counter",
    "Delivery",
    "Execution",
    "IgnoredFingerprint",
    "Outbox",
    "Run",
    "RunCount",
    "RunWords",
    "Spend",
    "StoredEvent",
    "Tally",
    "WaitingLog",
]
