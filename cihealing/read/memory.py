"""What is known of a fingerprint: how its runs ended, and whether a person silenced it."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from django.db.models import Count

from cihealing import models
from cihealing.domain import run as core
from cihealing.read.access import Viewer, listed, visible
from cihealing.read.rows import IgnoredRow, Memory
from cihealing.read.runs import COLUMNS, with_jobs

OTHERS = 50


def of(viewer: Viewer, run_id: UUID) -> Memory | None:
    """What other runs with this fingerprint came to; None where the viewer sees no such run."""
    row = visible(viewer).filter(id=run_id).values_list("error_hash", "state").first()
    if row is None:
        return None
    same = listed(viewer).filter(error_hash=row[0]).exclude(id=run_id)
    ended: Counter[str] = Counter()
    for status, how, n in (
        same.order_by().values_list("status", "resolution").annotate(n=Count("id"))
    ):
        ended[how or status] += n
    return Memory(
        error_hash=row[0],
        ignored=ignored(row[0]),
        others=with_jobs(list(same.order_by("-created_at", "-id").values(*COLUMNS)[:OTHERS])),
        ended=dict(ended),
        recurrences=core.from_json(row[1]).recurrences,
    )


def ignored(error_hash: str) -> IgnoredRow | None:
    found = (
        models.IgnoredFingerprint.objects.filter(error_hash=error_hash)
        .values("error_hash", "reason", "actor", "at")
        .first()
    )
    return IgnoredRow(**found) if found else None


def ignored_fingerprints(viewer: Viewer) -> tuple[IgnoredRow, ...]:
    """Silenced failures, latest first: of runs the viewer sees, all of them for who sees
    everything.
    """
    rows = models.IgnoredFingerprint.objects.order_by("-at")
    if not viewer.unrestricted:
        rows = rows.filter(error_hash__in=visible(viewer).values("error_hash"))
    return tuple(IgnoredRow(**v) for v in rows.values("error_hash", "reason", "actor", "at")[:1000])
