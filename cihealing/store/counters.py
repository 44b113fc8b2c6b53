"""Numbers that are kept instead of counted at each request.

Triggers of the database (migration 0007) append what a row adds or takes away, in the transaction
of whoever writes: writers share no row, so none waits for another. A number is the sum over its
rows. `fold` makes few rows of many; `mend` sets right what does not agree with what is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection, transaction

from cihealing.models import Counter, RunCount, Tally

ENOUGH = 500
"""Rows that are worth folding: fewer cost a reader nothing."""
BATCH = 5_000


@dataclass(frozen=True, kw_only=True)
class CounterTable:
    """One table of numbers: the columns that name one, those that are summed, and the rows that are
    the truth, as SQL.
    """

    model: type[Counter]
    keys: tuple[str, ...]
    sums: tuple[str, ...]
    truth: str

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    def sql(self, text: str) -> str:
        """`text` with the names of this table's columns in it."""
        return text.format(
            table=self.table,
            keys=", ".join(self.keys),
            sums=", ".join(self.sums),
            summed=", ".join(f"SUM({name}) AS {name}" for name in self.sums),
            added=", ".join(
                f"{name} = {self.table}.{name} + excluded.{name}" for name in self.sums
            ),
            negative=", ".join(f"-{name}" for name in self.sums),
            some=" OR ".join(f"SUM({name}) <> 0" for name in self.sums),
            none=" AND ".join(f"{name} = 0" for name in self.sums),
            truth=self.truth,
        )


RUNS = CounterTable(
    model=RunCount,
    keys=("repository", "status", "failure_class", "resolution"),
    sums=("runs", "attempts", "proven", "accepted"),
    truth="""
        SELECT repository, status, failure_class, resolution, 1 AS runs, attempt_count AS attempts,
            CASE WHEN evidence IN ('proven', 'ci_proven') THEN 1 ELSE 0 END AS proven,
            CASE WHEN resolution = 'merged' AND cost_usd > 0 THEN 1 ELSE 0 END AS accepted
        FROM cihealing_run WHERE attached_to IS NULL""",
)
NANO = "CAST(ROUND(usd * 1000000000) AS BIGINT) AS number"
TALLY = CounterTable(
    model=Tally,
    keys=("what", "repository", "day"),
    sums=("number",),
    truth=f"""
        SELECT 'usd' AS what, repository, '' AS day, {NANO} FROM cihealing_spend
        UNION ALL SELECT 'usd_day', repository, day, {NANO} FROM cihealing_spend
        UNION ALL SELECT 'calls', repository, '', 1 FROM cihealing_spend
            WHERE settled <> 'unanswered'
        UNION ALL SELECT 'deliveries', '', '', 1 FROM cihealing_delivery""",  # noqa: S608
)
EVERY = (RUNS, TALLY)

# One statement: it sees rows and numbers as of one moment, whoever writes meanwhile.
APART = """
    SELECT {keys}, {summed} FROM (
        SELECT {keys}, {sums} FROM ({truth}) AS counted
        UNION ALL SELECT {keys}, {negative} FROM {table}
    ) AS both_sides GROUP BY {keys} HAVING {some}"""
MEND = "INSERT INTO {table} ({keys}, {sums}, folded) SELECT {keys}, {sums}, FALSE FROM ("
FOLD = """
    INSERT INTO {table} ({keys}, {sums}, folded)
    SELECT {keys}, {summed}, TRUE FROM {table} WHERE id IN (%s) GROUP BY {keys} ORDER BY {keys}
    ON CONFLICT ({keys}) WHERE folded DO UPDATE SET {added}"""


def fold() -> int:
    """Make few rows of many, where there are many; returns how many went. Its own transaction."""
    return sum(_fold(kept, least=ENOUGH) for kept in EVERY)


def fold_all() -> None:
    """The same to the last row."""
    for kept in EVERY:
        while _fold(kept, least=1):
            pass


@transaction.atomic
def _fold(kept: CounterTable, *, least: int) -> int:
    # Rows that another folds already are left to it.
    unfolded = kept.model._default_manager.filter(folded=False).order_by("id")
    locked = unfolded.select_for_update(
        skip_locked=connection.features.has_select_for_update_skip_locked
    )
    ids = list(locked.values_list("pk", flat=True)[:BATCH])
    if len(ids) < least:
        return 0
    listed = ", ".join(map(str, ids))
    with connection.cursor() as cursor:
        cursor.execute(kept.sql(FOLD).replace("%s", listed))
        cursor.execute(kept.sql("DELETE FROM {table} WHERE id IN (%s)").replace("%s", listed))
        cursor.execute(kept.sql("DELETE FROM {table} WHERE folded AND {none}"))
    return len(ids)


def mend() -> None:
    """Append what is missing in the numbers, or is too much, so that they say what is counted."""
    with connection.cursor() as cursor:
        for kept in EVERY:
            cursor.execute(kept.sql(f"{MEND}{APART}) AS wrong"))


def differing() -> list[str]:
    """Every number that is not what is counted, by its name, and by how much."""
    return [told for kept in EVERY for told in _differing(kept)]


def _differing(kept: CounterTable) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(kept.sql(APART))
        for row in cursor.fetchall():
            keys, sums = row[: len(kept.keys)], row[len(kept.keys) :]
            off = ", ".join(
                f"{name} off by {-int(number)}"
                for name, number in zip(kept.sums, sums, strict=True)
                if number
            )
            yield f"{kept.model._meta.model_name} {' '.join(filter(None, keys))}: {off}"
