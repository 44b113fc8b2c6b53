"""`cihealing rebuild [--check]`: the derived rows afresh from the events, or a word on whether that
would change any.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from django.core.management.base import CommandError, CommandParser
from django.db import models, transaction

from cihealing import store
from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.models import (
    Attempt,
    BaseClaim,
    ChatMessage,
    ClusterClaim,
    Delivery,
    Execution,
    IgnoredFingerprint,
    Run,
    Spend,
)
from cihealing.store import counters, rebuilding

DERIVED: tuple[type[models.Model], ...] = (
    Run,
    Attempt,
    Delivery,
    Execution,
    BaseClaim,
    ClusterClaim,
    IgnoredFingerprint,
    Spend,
    ChatMessage,
)
DOCUMENTS = ("state",)
"""Columns that hold a JSON object."""
MOST = 200
"""Differing rows that are named."""

Key = tuple[object, ...]
Rows = dict[Key, tuple[int, ...]]


class Command(ProductCommand, needs=Needs.DATABASE):
    help = (
        "Write every derived row afresh from the events; the outbox is not touched. --check changes"
        " nothing; exit 1 where a row differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="change nothing, name the rows that a rebuild would change",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        try:
            counts, differing = checked() if check else (rebuilding.rebuild(), [])
        except store.UnknownEvent as error:
            raise CommandError(
                f"a newer release wrote part of this: rebuild with that one ({error})"
            ) from None
        if options["json"]:
            self.stdout.write(
                json.dumps({"streams": counts, **({"differing": differing} if check else {})})
            )
        else:
            self.show(counts, differing, check=check)
        if differing:
            sys.exit(1)

    def show(self, counts: Mapping[str, int], differing: list[str], *, check: bool) -> None:
        for name in differing[:MOST]:
            self.stdout.write(name)
        if len(differing) > MOST:
            self.stdout.write(f"and {len(differing) - MOST} more")
        counted = ", ".join(f"{number} {name}" for name, number in counts.items())
        verdict = (
            f"{len(differing)} rows differ from the events"
            if differing
            else "every row is what the events say"
        )
        self.stdout.write(f"{counted}: {verdict}" if check else f"rebuilt {counted}")


def checked() -> tuple[dict[str, int], list[str]]:
    """(streams by kind, what a rebuild would change); the rebuild is rolled back."""
    with transaction.atomic():
        miscounted = counters.differing()
        before = {model: rows_of(model) for model in DERIVED}
        counts = rebuilding.rebuild()
        differing = [
            told for model in DERIVED for told in differences(model, before[model], rows_of(model))
        ]
        transaction.set_rollback(True)
    return counts, [*differing, *miscounted]


def columns_of(model: type[models.Model]) -> list[str]:
    """Every column with a meaning: numbers that the database gave out are not the same twice."""
    return [f.attname for f in model._meta.concrete_fields if not isinstance(f, models.AutoField)]


def key_of(model: type[models.Model]) -> list[str]:
    """The columns that name a row."""
    if not isinstance(model._meta.pk, models.AutoField):
        return [model._meta.pk.attname]
    unique = next(c for c in model._meta.constraints if isinstance(c, models.UniqueConstraint))
    return [
        f.attname for name in unique.fields for f in model._meta.concrete_fields if f.name == name
    ]


def rows_of(model: type[models.Model]) -> Rows:
    """Key -> a hash of each column: whole rows of a large database would not fit into memory
    twice.
    """
    key, columns = key_of(model), columns_of(model)
    found = model._default_manager.order_by().values_list(*key, *columns)
    return {
        row[: len(key)]: tuple(map(hashed, columns, row[len(key) :]))
        for row in found.iterator(chunk_size=1000)
    }


def hashed(column: str, value: object) -> int:
    """The order in which a document names things says nothing."""
    if column in DOCUMENTS and isinstance(value, str):
        return hash(msgspec.json.encode(msgspec.json.decode(value), order="sorted"))
    return hash(value)


def differences(model: type[models.Model], before: Rows, after: Rows) -> Iterator[str]:
    for key in sorted(before.keys() | after.keys(), key=str):
        name = f"{model._meta.model_name} {' '.join(map(str, key))}"
        if key not in before:
            yield f"{name}: missing"
        elif key not in after:
            yield f"{name}: no event tells of it"
        elif before[key] != after[key]:
            pairs = zip(columns_of(model), before[key], after[key], strict=True)
            yield f"{name}: {', '.join(column for column, old, new in pairs if old != new)}"
