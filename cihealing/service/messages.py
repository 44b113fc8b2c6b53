"""What people were told of a run, kept beside its stream: telling changes nothing about the run."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid5

from cihealing import store
from cihealing.domain import events as e
from cihealing.domain.effects import Tell
from cihealing.domain.values import NAMESPACE, SERVICE
from cihealing.models import ChatMessage, StoredEvent
from cihealing.secrecy import masked_in
from cihealing.service.transactions import write
from cihealing.store import small


def handle_of(run: UUID, chat: str) -> str | None:
    """How to change what was posted last; empty where it cannot be changed, None where nothing was
    posted.
    """
    return (
        ChatMessage.objects.filter(run_id=run, chat=chat).values_list("handle", flat=True).first()
    )


def record_message(run: UUID, *, chat: str, kind: str, handle: str) -> None:
    write(
        lambda: _record(
            run, e.MessagePosted(run=run, chat=chat, kind=kind, handle=masked_in(handle)[:200])
        )
    )


def _record(run: UUID, fact: e.MessagePosted) -> None:
    stream = uuid5(NAMESPACE, f"message\n{run}\n{fact.chat}")
    envelope = e.Envelope(event=fact, at=datetime.now(UTC), actor=SERVICE, source=Tell.name())
    store.append(
        stream, [envelope], expected_version=StoredEvent.objects.filter(stream=stream).count()
    )
    small.project_small(stream, envelope)
