"""What became of what CI sent."""

from __future__ import annotations

from uuid import UUID

import msgspec

from cihealing import models
from cihealing.read.access import Viewer, visible, within
from cihealing.read.rows import DeliveryRow


class _Outcome(msgspec.Struct, rename="camel"):
    run_id: UUID | None = None
    ignored: str | None = None


def delivery(viewer: Viewer, delivery_id: UUID) -> DeliveryRow | None:
    """What became of a delivery. Seen by who sees one of its results; one without results only by
    who sees everything.
    """
    row = models.Delivery.objects.filter(id=delivery_id).first()
    if row is None or not _sees_delivery(viewer, row):
        return None
    outcomes = msgspec.json.decode(row.outcomes or "[]", type=list[_Outcome])
    ids = [o.run_id for o in outcomes if o.run_id]
    seen = set(visible(viewer).filter(id__in=ids).values_list("id", flat=True))
    return DeliveryRow(
        id=row.id,
        provider=row.provider,
        status=row.status,
        received_at=row.received_at,
        run_ids=tuple(i for i in dict.fromkeys(ids) if i in seen),
        ignored=tuple(o.ignored for o in outcomes if o.ignored),
    )


def _sees_delivery(viewer: Viewer, row: models.Delivery) -> bool:
    return viewer.unrestricted or within(row.executions.all(), viewer, "repository").exists()
