"""What happened, in order: of one run, and of all that a viewer sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import F, QuerySet
from django.db.models.fields.tuple_lookups import TupleGreaterThan

from cihealing import models, store
from cihealing.domain import events as e
from cihealing.read.access import Viewer, visible
from cihealing.read.cursors import BadQuery
from cihealing.read.rows import GlobalEntry, TimelineEntry
from cihealing.wording.timeline import describe

TIMELINE = 1_000


def latest(run_id: UUID) -> tuple[TimelineEntry, ...]:
    """The latest facts of a run, oldest first; a run that recurs for months has more than a page
    can show.
    """
    newest = models.StoredEvent.objects.filter(stream=run_id).order_by("-version")[:TIMELINE]
    return tuple(_entry(stored) for stored in reversed(newest))


def events_after(
    viewer: Viewer, run_id: UUID, version: int, *, limit: int = TIMELINE
) -> tuple[TimelineEntry, ...]:
    """Facts of one run above `version`, in order."""
    if not visible(viewer).filter(id=run_id).exists():
        return ()
    found = models.StoredEvent.objects.filter(stream=run_id, version__gt=version).order_by(
        "version"
    )[:limit]
    return tuple(_entry(stored) for stored in found)


def _entry(stored: models.StoredEvent) -> TimelineEntry:
    try:
        envelope = store.decode(stored.tag, stored.data)
    except store.UnknownEvent:
        return _unknown(stored)
    return TimelineEntry(
        version=stored.version,
        at=envelope.at,
        actor=envelope.actor.name,
        actor_kind=envelope.actor.kind,
        source=envelope.source,
        tag=stored.tag,
        text=describe(envelope.event),
        data=_plain(envelope.event),
    )


def _unknown(stored: models.StoredEvent) -> TimelineEntry:
    """A fact of a newer release: shown by its name."""
    return TimelineEntry(
        version=stored.version,
        at=stored.at,
        actor="",
        actor_kind="service",
        source="",
        tag=stored.tag,
        text=stored.tag,
    )


def _plain(event: e.AnyEvent) -> dict[str, Any]:
    built = msgspec.to_builtins(event)
    return {key: value for key, value in built.items() if key != "tag"}


def global_cursor() -> str:
    """Where a listener that wants only what comes next begins."""
    last = (
        _committed().order_by("-tx", "-id").values_list("tx", "id").first()
        if store.is_postgresql()
        else _last_id()
    )
    return _position_text(*(last or (0, 0)))


def _last_id() -> tuple[int, int] | None:
    last = models.StoredEvent.objects.order_by("-id").values_list("id", flat=True).first()
    return (0, last) if last is not None else None


def global_events_after(
    viewer: Viewer, cursor: str, *, limit: int = 500
) -> tuple[GlobalEntry, ...]:
    """Facts of any run the viewer sees, after `cursor`, in order. Raises BadQuery.

    A transaction may commit after one that took a later id. So on PostgreSQL nothing of a
    transaction as young as the oldest open one is read, and the order is (transaction, id): what is
    skipped now comes later, never behind the cursor. SQLite has one writer.
    """
    rows = _beyond(_committed(), position(cursor)).filter(run_id__isnull=False, stream=F("run_id"))
    if not viewer.unrestricted:
        rows = rows.filter(run_id__in=visible(viewer).values("id"))
    found = list(rows[:limit])
    known = _states([stored.stream for stored in found])
    return tuple(
        _global(stored, known[stored.stream]) for stored in found if stored.stream in known
    )


def _committed() -> QuerySet[models.StoredEvent]:
    rows = models.StoredEvent.objects.all()
    return (
        rows.extra(where=["tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"])
        if store.is_postgresql()
        else rows
    )


def _beyond(
    rows: QuerySet[models.StoredEvent], position: tuple[int, int]
) -> QuerySet[models.StoredEvent]:
    if store.is_postgresql():
        return rows.filter(TupleGreaterThan((F("tx"), F("id")), position)).order_by("tx", "id")
    return rows.filter(id__gt=position[1]).order_by("id")


def _position_text(tx: int | None, event_id: int) -> str:
    return f"{tx or 0}.{event_id}"


def position(cursor: str) -> tuple[int, int]:
    """Where in the order of all facts a cursor stands. Raises BadQuery."""
    tx, dot, event_id = cursor.partition(".")
    if not dot or not all(
        part.isascii() and part.isdigit() and len(part) < 19 for part in (tx, event_id)
    ):
        raise BadQuery("cursor is none that this service gave out")
    return int(tx), int(event_id)


def _states(ids: Iterable[UUID]) -> Mapping[UUID, Mapping[str, Any]]:
    rows = models.Run.objects.filter(id__in=set(ids)).values(
        "id", "repository", "status", "stage", "attached_to"
    )
    return {row["id"]: dict(row) for row in rows}


def _global(stored: models.StoredEvent, row: Mapping[str, Any]) -> GlobalEntry:
    return GlobalEntry(
        cursor=_position_text(stored.tx, stored.pk),
        run_id=stored.stream,
        repository=row["repository"],
        status=row["status"],
        stage=row["stage"],
        attached=row["attached_to"] is not None,
        entry=_entry(stored),
    )
