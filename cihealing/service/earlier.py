"""What was stored earlier and is looked at before a delivery is read, by one statement: the
delivery itself, where it is sent again, and the passing logs its failing ones are compared with.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from cihealing.domain.values import Failed, Result

MOST = 3
"""Passing logs of a job that a failing one is compared with, the newest."""
LARGE = 3_000_000
"""Bytes of the passing logs of a job up to which they are read in the request."""
Job = tuple[str, str]
"""Repository and job."""


@dataclass(kw_only=True)
class Greens:
    """Passing logs by job, redacted."""

    sizes: dict[Job, int] = field(default_factory=dict)
    packed: dict[Job, list[bytes]] = field(default_factory=dict)
    """zlib-compressed; those that are large by themselves are left out."""

    def large(self, failed: Failed) -> bool:
        return self.sizes.get((failed.repository, failed.job), 0) > LARGE

    def logs(self, failed: Failed) -> list[str]:
        packed = self.packed.get((failed.repository, failed.job), ())
        return [zlib.decompress(one).decode("utf-8", "replace") for one in packed]


def look(delivery: UUID, results: Sequence[Result]) -> tuple[tuple[str, str] | None, Greens]:
    """((status, outcomes) of the delivery or None, passing logs of the jobs whose failing logs the
    results carry).
    """
    key = delivery if connection.vendor == "postgresql" else delivery.hex
    text = (
        "SELECT '' AS repository, status, outcomes, 0 AS size, CAST(NULL AS bytea) AS content"
        " FROM cihealing_delivery WHERE id = %s"
    )
    jobs = dict.fromkeys((r.repository, r.job) for r in results if isinstance(r, Failed) and r.log)
    rows = _rows([(text, (key,)), *(_green(job) for job in jobs)])
    told = next(((status, outcomes) for repository, status, outcomes, *_ in rows if status), None)
    return told, _greens(rows)


def greens_of(failed: Failed) -> Greens:
    return _greens(_rows([_green((failed.repository, failed.job))]))


def _green(job: Job) -> tuple[str, Sequence[Any]]:
    """What also stands on green says nothing about red."""
    text = (
        "SELECT g.repository, '', g.job, a.size,"  # noqa: S608 - a constant
        " CASE WHEN a.size <= %s THEN a.content END"
        " FROM (SELECT repository, job, log FROM cihealing_execution"
        " WHERE repository = %s AND job = %s AND outcome = 'passed' AND log <> ''"
        " AND fork = %s"
        f" ORDER BY at DESC LIMIT {MOST}) g"
        " JOIN cihealing_artifact a ON a.digest = g.log WHERE a.content IS NOT NULL"
    )
    return text, (LARGE, *job, False)


def _rows(parts: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(text for text, _ in parts),
            [value for _, values in parts for value in values],
        )
        return list(cursor.fetchall())


def _greens(rows: Sequence[Any]) -> Greens:
    found = Greens()
    for repository, status, job, size, content in rows:
        if status:
            continue
        found.sizes[repository, job] = found.sizes.get((repository, job), 0) + size
        if content is not None:
            found.packed.setdefault((repository, job), []).append(bytes(content))
    return found
