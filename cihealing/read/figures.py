"""Numbers over runs, money and work: read from what is kept (`store.counters`), not counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.db.models import BigIntegerField, Count, Min, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Cast
from django.utils import timezone

from cihealing import models
from cihealing.clock import database_now
from cihealing.domain.values import RunStatus
from cihealing.read.access import Viewer, listed, within
from cihealing.read.rows import Backlog, RepositoryRow, SpendFigures, Summary

NANO = 1_000_000_000
MEDIAN_OF = 1_000
"""The latest proofs."""

Values = Mapping[str, Any]


def summary(viewer: Viewer, *, now: datetime | None = None) -> Summary:
    """Counts over the runs the viewer sees, attached ones left out. `now` ends the last 24
    hours.
    """
    at = now or timezone.now()
    rows = _kinds(viewer, "status", "failure_class", "resolution")
    by_status = _count(rows, "status")
    return Summary(
        total=sum(by_status.values()),
        by_status={status.value: by_status.get(status, 0) for status in RunStatus},
        by_class=_count(rows, "failure_class"),
        by_resolution=_count([r for r in rows if r["resolution"]], "resolution"),
        proven=sum(r["good"] for r in rows),
        escalated=by_status.get("escalated", 0),
        flakes=sum(r["n"] for r in rows if r["resolution"] == "flake"),
        attempts=sum(r["tries"] for r in rows),
        median_seconds_to_fixed=_median_to_fixed(viewer),
        last_day=_begun_since(viewer, at - timedelta(days=1)),
        spend=_spend(viewer, at, accepted=sum(r["merged"] for r in rows)),
    )


def _kinds(viewer: Viewer, *names: str, **asked: Any) -> list[Values]:
    """Runs by these columns: `n` of them, with their `tries`, `good` proofs and `merged` fixes of
    models.
    """
    kept = within(models.RunCount.objects.filter(**asked), viewer, "repository").order_by()
    rows = kept.values(*names).annotate(
        n=_whole("runs"), tries=_whole("attempts"), good=_whole("proven"), merged=_whole("accepted")
    )
    return [row for row in rows if row["n"]]


def _whole(column: str) -> Cast:
    """The sum, as the number it is: PostgreSQL would give a decimal, slow to read by thousands."""
    return Cast(Sum(column), BigIntegerField())


def _begun_since(viewer: Viewer, since: datetime) -> dict[str, int]:
    begun = listed(viewer).filter(created_at__gte=since).order_by()
    return _count(list(begun.values("status").annotate(n=Count("id"))), "status")


def _spend(viewer: Viewer, at: datetime, *, accepted: int) -> SpendFigures:
    """Money for models, over the repositories the viewer sees."""
    money = _tally(viewer, "usd")
    total = _usd(money.aggregate(n=Sum("number"))["n"])
    dear = money.values_list("repository").annotate(n=Sum("number")).order_by("-n")[:50]
    days = _tally(viewer, "usd_day").values_list("day").annotate(n=Sum("number"))
    by_day = {day: _usd(n) for day, n in days.order_by("-day")[:14]}
    return SpendFigures(
        today=by_day.get(at.date().isoformat(), 0.0),
        by_day=by_day,
        by_repository={name: _usd(n) for name, n in dear},
        total=total,
        calls=_tally(viewer, "calls").aggregate(n=Sum("number"))["n"] or 0,
        accepted=accepted,
        per_accepted_fix=total / accepted if accepted else None,
    )


def _tally(viewer: Viewer, what: str) -> QuerySet[models.Tally]:
    return within(models.Tally.objects.filter(what=what), viewer, "repository").order_by()


def _usd(number: int | None) -> float:
    return (number or 0) / NANO


def _count(rows: Iterable[Mapping[str, Any]], key: str) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for row in rows:
        counted[row[key]] += row["n"]
    return dict(counted.most_common())


def _median_to_fixed(viewer: Viewer) -> float | None:
    """From a run's beginning to its proof, over the latest 1,000 first generations that came to
    one.
    """
    proven = listed(viewer).filter(seconds_to_proof__isnull=False).order_by("-created_at")
    found = proven.values_list("seconds_to_proof", flat=True)[:MEDIAN_OF]
    took = [seconds for seconds in found if seconds is not None]
    return median(took) if took else None


def repositories(viewer: Viewer, *, most: int | None = None) -> tuple[RepositoryRow, ...]:
    """One row a repository, the latest run's first."""
    latest = dict(_latest(viewer, most))
    asked = {"repository__in": list(latest)} if most else {}
    grouped: dict[str, list[Values]] = {name: [] for name in latest}
    for row in _kinds(viewer, "repository", "status", **asked):
        if row["repository"] in grouped:  # not one that began meanwhile
            grouped[row["repository"]].append(row)
    return tuple(_repository(name, rows, latest[name]) for name, rows in grouped.items())


def repository_names(viewer: Viewer, *, most: int) -> tuple[str, ...]:
    """The latest run's first."""
    return tuple(name for name, _ in _latest(viewer, most))


def repository_count(viewer: Viewer) -> int:
    kept = within(models.RunCount.objects.all(), viewer, "repository").order_by()
    found: int = kept.values("repository").annotate(n=Sum("runs")).filter(n__gt=0).count()
    return found


def _latest(viewer: Viewer, most: int | None) -> list[tuple[str, datetime]]:
    """(repository, when its last run began), the latest first: one look into an index each."""
    runs = models.Run.objects.filter(repository=OuterRef("repository"), attached_to__isnull=True)
    last = Subquery(runs.order_by("-created_at", "-id").values("created_at")[:1])
    kept = within(models.RunCount.objects.all(), viewer, "repository").order_by()
    some = kept.values("repository").annotate(first=Min("id"), n=Sum("runs")).filter(n__gt=0)
    # One row a repository, so that each is looked up once.
    rows = models.RunCount.objects.filter(id__in=some.values("first")).annotate(last=last)
    return list(rows.order_by("-last").values_list("repository", "last")[:most])


def _repository(name: str, group: Sequence[Values], last: datetime) -> RepositoryRow:
    by_status = _count(group, "status")
    total = sum(by_status.values())
    return RepositoryRow(
        repository=name,
        total=total,
        open=total - by_status.get("resolved", 0) - by_status.get("aborted", 0),
        by_status=by_status,
        proven=sum(r["good"] for r in group),
        attempts=sum(r["tries"] for r in group),
        last_run_at=last,
    )


def backlog(*, now: datetime | None = None) -> Backlog:
    """How much waits: for metrics, so it names no repository."""
    at = now or database_now()
    pending = models.Outbox.objects.filter(state="pending")
    deliveries = models.Tally.objects.filter(what="deliveries")
    return Backlog(
        pending=pending.count(),
        due=pending.filter(not_before__lte=at).count(),
        oldest_due_seconds=oldest_due_seconds(now=at),
        gave_up=models.Outbox.objects.filter(state="gave_up").count(),
        reading=models.Delivery.objects.filter(status="reading").count(),
        deliveries=deliveries.aggregate(n=Sum("number"))["n"] or 0,
    )


def oldest_due_seconds(*, now: datetime | None = None) -> float:
    """For how long the oldest effect that could run waits; 0 where none does."""
    at = now or database_now()
    due = models.Outbox.objects.filter(state="pending", not_before__lte=at)
    oldest = due.order_by("not_before").values_list("not_before", flat=True).first()
    return (at - oldest).total_seconds() if oldest else 0.0
