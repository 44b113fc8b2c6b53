"""The numbers that are kept are those that counting gives, whatever happened."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.db.models import Case, Count, Sum, When
from django.test.utils import CaptureQueriesContext

from cihealing import models
from cihealing.cli.rebuild import checked
from cihealing.domain import events as e
from cihealing.read import figures, runs
from cihealing.read.access import SERVICE_VIEWER
from cihealing.store import counters, rebuilding, words
from tests import factories as make
from tests.cli.test_database_commands import exits

KEYS = counters.RUNS.keys
PROVEN = Case(When(evidence__in=["proven", "ci_proven"], then=1), default=0)
ACCEPTED = Case(When(resolution="merged", cost_usd__gt=0, then=1), default=0)


def counted() -> dict[tuple[str, ...], tuple[int, ...]]:
    """What a GROUP BY says; kinds of which there are none left out."""
    rows = models.Run.objects.filter(attached_to__isnull=True).order_by()
    found = rows.values_list(*KEYS).annotate(
        n=Count("id"), tries=Sum("attempt_count"), good=Sum(PROVEN), merged=Sum(ACCEPTED)
    )
    return {row[:4]: row[4:] for row in found}


def kept() -> dict[tuple[str, ...], tuple[int, ...]]:
    rows = models.RunCount.objects.order_by().values_list(*KEYS)
    found = rows.annotate(Sum("runs"), Sum("attempts"), Sum("proven"), Sum("accepted"))
    return {row[:4]: row[4:] for row in found if any(row[4:])}


def spent() -> dict[tuple[str, str], int]:
    rows = models.Spend.objects.values_list("repository", "day", "usd")
    found: dict[tuple[str, str], int] = {}
    for repository, day, usd in rows:
        found[repository, day] = found.get((repository, day), 0) + round(usd * 10**9)
    return found


def tallied(what: str) -> dict[tuple[str, str], int]:
    rows = models.Tally.objects.filter(what=what).order_by().values_list("repository", "day")
    return {row[:2]: row[2] for row in rows.annotate(Sum("number")) if row[2]}


ENDS: list[list[e.RunEvent]] = [
    [e.RunResolved(how="merged", by=make.ANN)],
    [e.RunAborted(reason="person", by=make.ANN)],
    [],
]


def begin(pick: random.Random) -> UUID:
    facts = pick.choice([[], make.classified(), make.proven(), make.escalated()])
    return make.make_run(
        facts,
        repository=f"acme/{pick.choice('abc')}",
        error_hash=f"v1:{pick.getrandbits(256):064x}",
        begun=make.NOW + timedelta(minutes=pick.randrange(9999)),
    )


def change(pick: random.Random, run_id: UUID) -> None:
    """Something a run's row can come to, or money of it."""
    row = models.Run.objects.filter(id=run_id)
    deeds: list[Callable[[], Any]] = [
        lambda: row.update(status=pick.choice(["running", "fixed", "escalated", "resolved"])),
        lambda: row.update(resolution=pick.choice(["", "merged", "flake"])),
        lambda: row.update(attached_to=pick.choice([None, uuid4()])),
        lambda: row.update(attempt_count=pick.randrange(4), cost_usd=pick.choice([0, 0.1])),
        lambda: row.update(evidence=pick.choice(["none", "proven", "ci_proven"])),
        lambda: spend(pick, run_id),
        lambda: models.Spend.objects.filter(run_id=run_id).update(usd=0.1, settled="unanswered"),
        lambda: row.delete(),
        lambda: counters.fold_all(),
    ]
    pick.choice(deeds)()


def spend(pick: random.Random, run_id: UUID) -> None:
    models.Spend.objects.create(
        id=uuid4(),
        run_id=run_id,
        repository=f"acme/{pick.choice('abc')}",
        branch="main",
        error_hash="v1:0",
        number=1,
        provider="openai",
        model="m",
        day=f"2026-11-0{pick.randrange(1, 10)}",
        reserved_usd=0.2,
        usd=pick.choice([0.1, 0.2, 1 / 3]),
        settled=pick.choice(["answered", "unanswered"]),
        at=make.NOW,
    )


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(5))
def test_what_is_kept_is_what_counting_gives_after_any_history(seed: int) -> None:
    pick = random.Random(seed)
    ids = [begin(pick) for _ in range(8)]
    for _ in range(60):
        change(pick, pick.choice(ids))
        assert kept() == counted()
    assert tallied("usd_day") == spent()
    assert counters.differing() == []
    before = kept(), tallied("usd"), tallied("calls"), tallied("usd_day")
    counters.fold_all()
    assert (kept(), tallied("usd"), tallied("calls"), tallied("usd_day")) == before
    assert not models.RunCount.objects.filter(folded=False).exists()


@pytest.mark.django_db
def test_folding_leaves_one_row_a_kind_and_none_of_what_is_gone() -> None:
    pick = random.Random(3)
    ids = [begin(pick) for _ in range(6)]
    models.Run.objects.filter(id__in=ids).update(status="resolved")
    counters.fold_all()
    assert models.RunCount.objects.count() == len(counted())
    models.Run.objects.all().delete()
    counters.fold_all()
    assert models.RunCount.objects.count() == 0


@pytest.mark.django_db
def test_few_rows_are_not_worth_folding(monkeypatch: pytest.MonkeyPatch) -> None:
    begin(random.Random(1))
    assert counters.fold() == 0
    monkeypatch.setattr(counters, "ENOUGH", 1)
    assert counters.fold() > 0


@pytest.mark.django_db
def test_a_rebuild_mends_wrong_numbers_and_its_check_names_them() -> None:
    for _ in range(3):
        make.make_run(make.proven(), error_hash=f"v1:{random.getrandbits(256):064x}")
    assert checked()[1] == []
    models.RunCount.objects.create(
        repository="acme/shop",
        status="fixed",
        failure_class="product",
        resolution="",
        runs=2,
        attempts=0,
        proven=0,
        accepted=0,
    )
    models.Tally.objects.create(what="deliveries", repository="", day="", number=1)
    assert sorted(checked()[1]) == [
        "runcount acme/shop fixed product: runs off by 2",
        "tally deliveries: number off by 1",
    ]
    assert "runs off by 2" in exits("rebuild", "--check")[1]
    rebuilding.rebuild()
    assert (kept(), counters.differing()) == (counted(), [])
    assert models.Tally.objects.filter(folded=False).count() == 0


@pytest.mark.django_db
def test_nothing_is_counted_for_a_request() -> None:
    begin(random.Random(1))
    with CaptureQueriesContext(connection) as asked:
        runs.page(SERVICE_VIEWER)
        figures.repositories(SERVICE_VIEWER)
        figures.repository_names(SERVICE_VIEWER, most=5)
    assert not [q["sql"] for q in asked if "COUNT(" in q["sql"].upper()]


def test_writers_at_once_wait_for_nobody_and_are_all_counted(committed: None) -> None:
    """Each holds its transaction open until every other has written too: were they to share a row,
    none would get there.
    """
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer")
    make.make_run(make.proven())  # what all share is stored: they would wait for its artifacts
    together = threading.Barrier(4, timeout=20)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with transaction.atomic():
                make.make_run(make.proven(), error_hash=f"v1:{number:064x}")
                together.wait()
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert kept() == counted()
    assert sum(row[0] for row in kept().values()) == 5


def test_folding_beside_writers_loses_and_doubles_nothing(committed: None) -> None:
    stop = threading.Event()
    failed: list[BaseException] = []

    def work(number: int) -> None:
        pick = random.Random(number)
        try:
            for _ in range(10):
                with transaction.atomic():
                    begin(pick)
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    def keep_folding() -> None:
        try:
            while not stop.wait(0.01):
                counters.fold_all()
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    writers = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    folders = [threading.Thread(target=keep_folding) for _ in range(2)]
    for thread in (*writers, *folders):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in folders:
        thread.join()
    assert failed == []
    assert kept() == counted()


@pytest.mark.django_db
def test_every_trigger_is_there() -> None:
    """A migration that makes SQLite build a table anew takes its triggers along."""
    from importlib import import_module

    from cihealing.migrations import __name__ as room

    made = import_module(f"{room}.0007_figures")
    wanted = {name for name, *_ in made.triggers(connection.vendor)}
    if connection.vendor != "postgresql":
        wanted |= {name for name, *_ in made.fts_triggers()}
    table = (
        "SELECT tgname FROM pg_trigger"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(table)
        assert wanted <= {name for (name,) in cursor.fetchall()}
    assert words.trouble() == ""
