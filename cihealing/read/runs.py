"""The list of runs, newest first, and a run as a list shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import QuerySet, Sum

from cihealing import models
from cihealing.domain.values import RunStatus
from cihealing.read import cursors, search
from cihealing.read.access import Viewer, listed, visible, within
from cihealing.read.cursors import BadPage, BadQuery, Place
from cihealing.read.rows import RunPage, RunRow

DEEPEST = 10_000
"""Rows that page numbers reach; further in, a cursor is needed."""
COLUMNS = tuple(f.name for f in fields(RunRow) if f.name != "job_id")

Values = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which runs are asked for; empty: all."""

    statuses: tuple[str, ...] = ()
    repository: str = ""

    def of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of runs, or of the numbers kept of them."""
        rows = rows.filter(repository=self.repository) if self.repository else rows
        return rows.filter(status__in=self.statuses) if self.statuses else rows


def page(
    viewer: Viewer,
    *,
    page: int = 1,
    page_size: int = 25,
    status: str = "",
    repository: str = "",
    q: str = "",
    cursor: str = "",
) -> RunPage:
    """Runs, newest first. `status` may name several, by commas; `q` is looked for in names, hashes
    and summaries.

    Raises BadPage, BadQuery.
    """
    _check_page(page, page_size)
    search.check(status=status, repository=repository, q=q)
    asked = Filter(statuses=_statuses(status), repository=repository)
    place = cursors.place(cursor) if cursor else None
    start, count = 0 if place else (page - 1) * page_size, page_size + 1
    if q.strip():
        hits = search.hits(
            asked.of(listed(viewer)), q.strip(), after=place, start=start, count=count
        )
        found, total, capped = _at(hits.places), hits.total, hits.capped
    else:
        found, total, capped = _newest(viewer, asked, place, start, count), 0, False
        total = _total(viewer, asked)
    return RunPage(
        rows=with_jobs(found[:page_size]),
        total=total,
        total_capped=capped,
        page=page,
        page_size=page_size,
        next_cursor=cursors.cursor(found[page_size - 1]) if len(found) > page_size else None,
    )


def _check_page(page: int, page_size: int) -> None:
    if page < 1 or page_size < 1:
        raise BadPage("page and pageSize begin at 1")
    if page * page_size > DEEPEST:
        raise BadPage(f"page*pageSize may be at most {DEEPEST:,}: go on with nextCursor as cursor")


def _statuses(text: str) -> tuple[str, ...]:
    names = dict.fromkeys(name.strip() for name in text.split(",")) if text else {}
    unknown = [name for name in names if name not in RunStatus.__members__.values()]
    if unknown:
        raise BadQuery(f"status {unknown[0][:40]!r} is none of {', '.join(RunStatus)}")
    return tuple(names)


def _newest(
    viewer: Viewer, asked: Filter, place: Place | None, start: int, count: int
) -> list[Values]:
    """Of several statuses each is read by its own index, and no more of it than may be shown."""
    kinds = [Filter(statuses=(s,), repository=asked.repository) for s in asked.statuses] or [asked]
    lists = [_ordered(kind.of(listed(viewer)), place) for kind in kinds]
    if len(lists) == 1:
        return list(lists[0].values(*COLUMNS)[start : start + count])
    places = chain.from_iterable(
        found.values_list("created_at", "id")[: start + count] for found in lists
    )
    return _at(sorted(places, reverse=True)[start : start + count])


def _ordered(rows: QuerySet[models.Run], place: Place | None) -> QuerySet[models.Run]:
    rest = cursors.after(rows, place) if place else rows
    return rest.order_by("-created_at", "-id")


def _at(places: Sequence[Place]) -> list[Values]:
    """The runs that stand there, in that order."""
    rows = models.Run.objects.filter(id__in=[run_id for _, run_id in places]).values(*COLUMNS)
    return sorted(rows, key=lambda row: (row["created_at"], row["id"]), reverse=True)


def _total(viewer: Viewer, asked: Filter) -> int:
    kept = asked.of(within(models.RunCount.objects.all(), viewer, "repository"))
    return kept.aggregate(all=Sum("runs"))["all"] or 0


def row(viewer: Viewer, run_id: UUID) -> RunRow | None:
    """The run as a list shows it, attached or not."""
    found = with_jobs(list(visible(viewer).filter(id=run_id).values(*COLUMNS)))
    return found[0] if found else None


def with_jobs(values: Sequence[Values]) -> tuple[RunRow, ...]:
    """Rows of these columns, each with the job it was begun for."""
    jobs = job_ids([v["id"] for v in values])
    return tuple(RunRow(job_id=jobs.get(v["id"], ""), **v) for v in values)


class _JobId(msgspec.Struct, rename="camel"):
    job_id: str = ""


def job_ids(ids: Sequence[UUID]) -> dict[UUID, str]:
    """The job each run was begun for, as its first fact says."""
    firsts = models.StoredEvent.objects.filter(stream__in=ids, version=1).values_list(
        "stream", "data"
    )
    return {stream: msgspec.json.decode(data, type=_JobId).job_id for stream, data in firsts}
