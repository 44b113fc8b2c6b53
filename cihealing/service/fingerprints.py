"""Known failures that a person silenced: they begin no run."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid5

from cihealing import store
from cihealing.domain import events as e
from cihealing.domain.values import NAMESPACE, Actor
from cihealing.models import IgnoredFingerprint, StoredEvent
from cihealing.secrecy import masked
from cihealing.service.transactions import write
from cihealing.store import small


def stream_of(error_hash: str) -> UUID:
    return uuid5(NAMESPACE, f"fingerprint\n{error_hash}")


def ignore_fingerprint(error_hash: str, *, reason: str, by: Actor) -> None:
    """From now on this failure begins no run. Doing it twice keeps the newer reason."""
    _record(error_hash, e.FingerprintIgnored(error_hash=error_hash, reason=masked(reason)), by)


def carry_over(old: str, new: str, *, by: Actor) -> None:
    """What is silenced by its old hash is silenced by its new one. Within the caller's
    transaction.
    """
    row = IgnoredFingerprint.objects.filter(error_hash=old).first()
    if row and not IgnoredFingerprint.objects.filter(error_hash=new).exists():
        _append(new, e.FingerprintIgnored(error_hash=new, reason=row.reason), by, source="rehash")


def hear_fingerprint(error_hash: str, *, by: Actor) -> None:
    """It begins runs again."""
    _record(error_hash, e.FingerprintHeard(error_hash=error_hash), by)


def _record(error_hash: str, event: e.SmallEvent, by: Actor) -> None:
    write(lambda: _append(error_hash, event, by, source="person:ignore"))


def _append(error_hash: str, event: e.SmallEvent, by: Actor, *, source: str) -> None:
    stream = stream_of(error_hash)
    fact = e.Envelope(event=event, at=datetime.now(UTC), actor=by, source=source)
    store.append(stream, [fact], expected_version=StoredEvent.objects.filter(stream=stream).count())
    small.project_fingerprint(fact)
