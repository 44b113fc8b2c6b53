"""Known failures that a person silenced: they begin no run."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid5

from cihealing import projections, store
from cihealing.domain import events as e
from cihealing.domain.values import NAMESPACE, Actor
from cihealing.models import StoredEvent
from cihealing.service.secrets import masked
from cihealing.service.transactions import write


def stream_of(error_hash: str) -> UUID:
    return uuid5(NAMESPACE, f"fingerprint\n{error_hash}")


def ignore_fingerprint(error_hash: str, *, reason: str, by: Actor) -> None:
    """From now on this failure begins no run. Doing it twice keeps the newer reason."""
    _record(error_hash, e.FingerprintIgnored(error_hash=error_hash, reason=masked(reason)), by)


def hear_fingerprint(error_hash: str, *, by: Actor) -> None:
    """It begins runs again."""
    _record(error_hash, e.FingerprintHeard(error_hash=error_hash), by)


def _record(error_hash: str, event: e.SmallEvent, by: Actor) -> None:
    stream = stream_of(error_hash)
    fact = e.Envelope(event=event, at=datetime.now(UTC), actor=by, source="person:ignore")

    def work() -> None:
        store.append(stream, [fact], expected_version=StoredEvent.objects.filter(stream=stream).count())
        projections.project_fingerprint(fact)

    write(work)
