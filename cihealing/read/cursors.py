"""Where in a list one goes on: cursors over (created_at, id), newest first, and what is refused."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, QuerySet
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThan, TupleLookupMixin
from django.db.models.sql.compiler import SQLCompiler

from cihealing import models

Place = tuple[datetime, UUID]
"""Where a run stands in a list."""


class BadQuery(ValueError):
    """What was asked for cannot be: the message says which parameter and why."""


class BadPage(BadQuery):
    """No such page; deeper than 10,000 rows only a cursor goes."""


class RowLessThan(TupleLessThan):
    """Django writes this out as OR and AND on SQLite, which has compared rows since 3.15 and then
    uses the index.
    """

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        return super(TupleLookupMixin, self).as_sql(compiler, connection)


class RowGreaterThan(TupleGreaterThan):
    """Likewise."""

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        return super(TupleLookupMixin, self).as_sql(compiler, connection)


def after(rows: QuerySet[models.Run], place: Place) -> QuerySet[models.Run]:
    """Those that come after it: older ones."""
    return rows.filter(RowLessThan((F("created_at"), F("id")), place))


def before(rows: QuerySet[models.Run], place: Place) -> QuerySet[models.Run]:
    return rows.filter(RowGreaterThan((F("created_at"), F("id")), place))


def cursor(row: Mapping[str, Any]) -> str:
    return (
        base64.urlsafe_b64encode(f"{row['created_at'].isoformat()} {row['id']}".encode())
        .decode()
        .rstrip("=")
    )


def place(cursor: str) -> Place:
    """What `cursor` gave out. Raises BadQuery."""
    try:
        text = base64.b64decode(cursor.encode("ascii") + b"==", altchars=b"-_").decode("ascii")
        at, _, run_id = text.partition(" ")
        return _aware(datetime.fromisoformat(at)), UUID(run_id)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise BadQuery("cursor is none that this service gave out") from error


def _aware(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError("naive time")
    return when.astimezone(UTC)
