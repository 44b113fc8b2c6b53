"""Which runs mention what somebody looks for: a word of their names and summaries, or the beginning
of a commit or a hash.

Common things are among the newest runs: those are looked through first. Rare ones are had from the
indexes. So neither takes long, however many runs there are.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from cihealing import models, store
from cihealing.read import cursors
from cihealing.read.cursors import BadQuery, Place
from cihealing.store import words

LONGEST = 200
WINDOW = 5_000
"""The newest runs that are looked through one by one. What is shorter than three characters is in
no index: it is looked for there alone.
"""
MOST = 10_000
"""Hits that are counted."""
# As the index is made: of listed runs alone.
BEGINNING = "SELECT id FROM cihealing_run WHERE attached_to IS NULL AND "
SEARCHED = ("repository", "branch", "job", "error_type", "error_summary", "owner")


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Where the hits that were asked for stand, newest first; how many there are in all, and
    whether there may be more than that.
    """

    places: list[Place]
    total: int
    capped: bool


def check(**texts: str) -> None:
    """Raises BadQuery for what no text can be."""
    for name, text in texts.items():
        if "\0" in text or not _encodable(text):
            raise BadQuery(f"{name} holds a character that no text has")
    if len(texts["q"]) > LONGEST:
        raise BadQuery(f"q may have at most {LONGEST} characters")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def hits(
    rows: QuerySet[models.Run], q: str, *, after: Place | None, start: int, count: int
) -> Hits:
    """`count` hits of `rows` from the `start`-th on, of those after a place where one is given."""
    newest = rows.order_by("-created_at", "-id")
    near, whole = _near(cursors.after(newest, after) if after else newest, q, start)
    wanted = near[start : start + count]
    if not (whole or len(wanted) == count or len(q) < words.SHORTEST):
        return _indexed(newest, q, after=after, start=start, count=count)
    if after:
        near, whole = _near(newest, q, 0)
    return Hits(places=wanted, total=len(near), capped=not whole)


def _near(newest: QuerySet[models.Run], q: str, more: int) -> tuple[list[Place], bool]:
    """(hits among the first few, whether these were all)."""
    end = WINDOW + more
    floor = newest.values_list("created_at", "id")[end : end + 1].first()
    looked_at = cursors.before(newest, floor) if floor else newest
    return list(looked_at.filter(_mentions(q)).values_list("created_at", "id")), floor is None


def _mentions(q: str) -> Q:
    told = Q(commit__startswith=q.lower()) | Q(error_hash__startswith=q.lower())
    for column in SEARCHED:
        told |= Q(**{f"{column}__icontains": q})
    return told


def _indexed(
    newest: QuerySet[models.Run], q: str, *, after: Place | None, start: int, count: int
) -> Hits:
    found = newest.filter(id__in=RawSQL(*_ids(q)))  # noqa: S611 - values are parameters
    places = list(found.values_list("created_at", "id")[: MOST + 1])
    below = [place for place in places if place < after] if after else places
    return Hits(
        places=below[start : start + count], total=min(len(places), MOST), capped=len(places) > MOST
    )


def _ids(q: str) -> tuple[str, list[str]]:
    """SQL that gives the ids of all runs that mention it."""
    sql, params = words.found(q)
    for column in ("commit", "error_hash"):
        condition, more = _begins(column, q.lower())
        sql = " UNION ".join((sql, BEGINNING + condition))
        params += more
    return sql, params


def _begins(column: str, text: str) -> tuple[str, list[str]]:
    """A condition that an index answers: PostgreSQL has one for LIKE, SQLite compares bytes."""
    if store.is_postgresql():
        return f'"{column}" LIKE %s', [words.escaped(text) + "%"]
    return f'"{column}" >= %s AND "{column}" < %s', [text, text + "\U0010ffff"]
