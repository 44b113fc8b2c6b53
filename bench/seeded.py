"""A database of many runs, written straight into its tables: rows as the projections write them, of
made-up repositories, over half a year. Nothing is healed and no chain is hashed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import AutoField, Model

from cihealing import models, store
from cihealing.domain import events as e
from cihealing.domain.evolve import fold
from cihealing.domain.values import run_id_of
from cihealing.store import counters, projections
from tests import factories as make

DAYS = 180
REPOSITORIES = 1_000
FAMILIES = 20_000
CHUNK = 10_000
FAMILY = "v1:" + "fa" * 32
"""A fingerprint that one run in a hundred has."""
RARE = "quokka"
"""A word that one run in twenty thousand tells of, and none of the newest tenth."""
WORDS = [
    "timeout",
    "cannot",
    "import",
    "undefined",
    "connection",
    "refused",
    "missing",
    "module",
    "assertion",
    "snapshot",
    "cache",
    "version",
    "conflict",
    "permission",
    "denied",
    "network",
    "socket",
    "memory",
    "disk",
    "quota",
    "certificate",
    "schema",
]
JOBS = ("test", "unit", "integration", "lint", "build", "e2e", "deploy preview", "type check")

Row = dict[str, Any]
Rows = dict[type[Model], list[Row]]


class Kind:
    """One history as rows: `Seed` puts in what differs between two runs of it."""

    def __init__(self, facts: list[e.RunEvent]) -> None:
        first = make.queued()
        run_id = run_id_of(first.repository, first.commit, first.error_hash)
        self.history = make.envelopes(run_id, [first, *facts], begun=make.NOW)
        state = fold(run_id, self.history)
        self.row = columns_of(projections.run_row(state, max_attempts=3))
        self.attempts = [columns_of(a) for a in projections.attempt_rows(state)]
        self.facts = [(e.tag_of(x.event), store.encode(x)) for x in self.history[:3]]


def kinds() -> tuple[list[Kind], list[int]]:
    """(kinds of runs, how often each is)."""
    merged = [*make.proven(), e.RunResolved(how="merged", by=make.ANN)]
    flake = [
        *make.classified(),
        e.FlakeProven(reds=2, greens=1, where="sandbox"),
        e.RunResolved(how="flake"),
    ]
    aborted = [e.RunStarted(), e.RunAborted(reason="person", by=make.ANN)]
    weighed: list[tuple[int, list[e.RunEvent]]] = [
        (1, []),
        (2, make.classified()),
        (7, make.proven()),
        (20, make.escalated()),
        (20, flake),
        (20, merged),
        (30, aborted),
    ]
    return [Kind(facts) for _, facts in weighed], [weight for weight, _ in weighed]


def columns_of(row: Model) -> Row:
    """By attribute; the database gives numbers of its own."""
    own = [f.attname for f in row._meta.concrete_fields if not isinstance(f, AutoField)]
    return {name: getattr(row, name) for name in own}


class Seed:
    """Runs in the order they began, the last one now."""

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.random = random.Random(11)
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.kinds, self.weights = kinds()
        self.leaders: dict[str, UUID] = {}

    def rows(self, number: int) -> Rows:
        """Everything one run stands in. Later ones of a repository may hang on it."""
        kind = self.random.choices(self.kinds, self.weights)[0]
        own = self._own(number)
        run = {**kind.row, **own, "state": self._told(kind.row["state"], kind.row, own)}
        if number % 50 == 0:
            run["attached_to"] = self.leaders.get(run["repository"])
        else:
            self.leaders[run["repository"]] = run["id"]
        return {
            models.Run: [run],
            models.Attempt: [{**a, "run_id": run["id"]} for a in kind.attempts],
            models.StoredEvent: list(self._events(kind, run)),
            **self._delivered(run, number),
            models.Spend: [self._spend(run)] if number % 5 == 0 else [],
            models.Outbox: [_done(run, number)],
        }

    def _own(self, number: int) -> Row:
        pick = self.random
        repository = f"team{number % 37}/{self._project()}"
        commit = f"{pick.getrandbits(160):040x}"
        family = f"v1:{pick.randrange(FAMILIES):064x}"
        error_hash = FAMILY if pick.random() < 0.01 else family
        begun = self.now - timedelta(days=DAYS) * ((self.runs - 1 - number) / self.runs)
        words = [*pick.sample(WORDS, 4), f"line {pick.randrange(4000)}"]
        if number % 20_000 == 7 and number < self.runs * 0.9:
            words[0] = RARE
        return {
            "id": run_id_of(repository, commit, error_hash),
            "repository": repository,
            "branch": "main" if pick.random() < 0.4 else f"feature/{pick.randrange(10**6)}",
            "commit": commit,
            "job": pick.choice(JOBS),
            "error_hash": error_hash,
            "error_summary": " ".join(words),
            "owner": f"@team/{pick.randrange(200)}",
            "created_at": begun,
            "updated_at": begun + timedelta(minutes=pick.randrange(5, 90)),
        }

    def _project(self) -> str:
        """A few repositories have most of the runs."""
        return f"project{int(REPOSITORIES / 37 * self.random.random() ** 2)}"

    def _told(self, text: str, old: Row, own: Row) -> str:
        for name in ("id", "repository", "commit", "error_hash"):
            text = text.replace(str(old[name]), str(own[name]))
        return text

    def _events(self, kind: Kind, run: Row) -> Iterator[Row]:
        for version, (tag, data) in enumerate(kind.facts, start=1):
            yield {
                "stream": run["id"],
                "version": version,
                "tag": tag,
                "data": self._told(data, kind.row, run),
                "previous": "0" * 64,
                "hash": "0" * 64,
                "at": run["created_at"],
                "run_id": run["id"],
            }

    def _delivered(self, run: Row, number: int) -> Rows:
        delivery = {
            "id": uuid4(),
            "hook": "default",
            "key": f"seed-{number}",
            "provider": "generic",
            "received_at": run["created_at"],
            "version": 2,
            "status": "done",
            "outcomes": f'[{{"runId":"{run["id"]}","status":"queued"}}]',
        }
        execution = {
            **{name: run[name] for name in ("repository", "branch", "commit", "job")},
            "provider": "generic",
            "host": "ci.example",
            "job_run_id": str(number),
            "attempt": 1,
            "outcome": "failed",
            "pipeline_url": "https://ci.example/1",
            "parent_id": "",
            "coarse": False,
            "at": run["created_at"],
            "delivery_id": delivery["id"],
            "position": 0,
            "run_id": run["id"],
            "log": "",
        }
        return {models.Delivery: [delivery], models.Execution: [execution]}

    def _spend(self, run: Row) -> Row:
        usd = self.random.randrange(1, 500) / 1000
        return {
            "id": uuid4(),
            "run_id": run["id"],
            **{name: run[name] for name in ("repository", "branch", "error_hash")},
            "number": 1,
            "provider": "openai",
            "model": "m",
            "day": run["created_at"].date().isoformat(),
            "reserved_usd": usd,
            "usd": usd,
            "settled": "answered",
            "at": run["created_at"],
        }


def _done(run: Row, number: int) -> Row:
    return {
        "id": uuid4(),
        "stream": run["id"],
        "version": 1,
        "ordinal": 0,
        "name": "read_failure",
        "payload": "{}",
        "run_id": run["id"],
        "not_before": run["created_at"],
        "created_at": run["created_at"],
        "state": "pending" if number % 1000 == 0 else "done",
        "claims": 1,
        "fence": 1,
        "last_error": "",
    }


def seed(runs: int) -> None:
    """Fill an empty, migrated database."""
    made = Seed(runs)
    numbers = iter(range(runs))
    while chunk := list(islice(numbers, CHUNK)):
        with transaction.atomic():
            store_all(made.rows(number) for number in chunk)
        print(f"\rseeded {chunk[-1] + 1:,} of {runs:,}", end="", flush=True)
    print()


ORDER = (
    models.Run,
    models.Attempt,
    models.StoredEvent,
    models.Delivery,
    models.Execution,
    models.Spend,
    models.Outbox,
)


def store_all(groups: Iterable[Rows]) -> None:
    kept: Rows = {model: [] for model in ORDER}
    for group in groups:
        for model, rows in group.items():
            kept[model] += rows
    for model in ORDER:
        if kept[model]:
            copy(model, kept[model])


def copy(model: type[Model], rows: list[Row]) -> None:
    """Rows as they are, in one go: COPY on PostgreSQL, one prepared statement on SQLite."""
    named = [f for f in model._meta.concrete_fields if f.attname in rows[0]]
    columns = ", ".join(f'"{f.column}"' for f in named)
    table, names = model._meta.db_table, [f.attname for f in named]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as into:
                for row in rows:
                    into.write_row([row[name] for name in names])
        else:
            places = ", ".join(["%s"] * len(names))
            values = [[_plain(row[name]) for name in names] for row in rows]
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", values)


def _plain(value: Any) -> Any:
    """As Django stores it in SQLite."""
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    return value


def settle() -> None:
    """What the service and a database do by themselves in quiet hours."""
    counters.fold_all()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
