"""New rows, a statement for each table: its text is made once, and nothing is read back.

What a column holds is the model's business as everywhere; only the ORM's making of the statement,
which costs more than the database's part, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import AutoField, DateTimeField, Field, Model, UUIDField

MOST = 100
"""Rows of one statement: SQLite takes no more than so many values."""
KEPT_TEXTS = 256
PLAIN = (str, int, bool, float, type(None))
"""Types of values that every database takes as they are."""


def insert(rows: Sequence[Model], *, skip_known: bool = False) -> int:
    """Write unsaved rows of one model, within the caller's transaction; returns how many were
    written. A key that the database gives is not known afterwards.

    With `skip_known`, rows whose key is taken are left out. Raises IntegrityError.
    """
    written = 0
    for start in range(0, len(rows), MOST):
        written += _insert(rows[start : start + MOST], skip_known=skip_known)
    return written


def _insert(rows: Sequence[Model], *, skip_known: bool) -> int:
    model = type(rows[0])
    with connection.cursor() as cursor:
        cursor.execute(
            _text(model, len(rows), skip_known=skip_known), list(_values(rows, _columns(model)))
        )
        return int(cursor.rowcount)


@lru_cache
def _columns(model: type[Model]) -> tuple[Field[Any, Any], ...]:
    fields = model._meta.concrete_fields
    return tuple(field for field in fields if not isinstance(field, AutoField))


@lru_cache(maxsize=KEPT_TEXTS)
def _text(model: type[Model], number: int, *, skip_known: bool) -> str:
    quote = connection.ops.quote_name
    columns = _columns(model)
    one = f"({', '.join(['%s'] * len(columns))})"
    return (
        f"INSERT INTO {quote(model._meta.db_table)}"  # noqa: S608 - names of our own models
        f" ({', '.join(quote(field.column or field.attname) for field in columns)})"
        f" VALUES {', '.join([one] * number)}{' ON CONFLICT DO NOTHING' if skip_known else ''}"
    )


def _values(rows: Sequence[Model], columns: Sequence[Field[Any, Any]]) -> Iterator[Any]:
    database = connections[DEFAULT_DB_ALIAS]  # `connection` looks it up with each use
    native, time = database.features.has_native_uuid_field, database.ops.adapt_datetimefield_value
    for row in rows:
        for field in columns:
            value = getattr(row, field.attname)
            kind = type(value)
            if kind in PLAIN:
                yield value
            elif kind is UUID and isinstance(field, UUIDField):
                yield value if native else value.hex
            elif kind is datetime and isinstance(field, DateTimeField):
                yield time(value)
            else:
                yield field.get_db_prep_save(value, database)
