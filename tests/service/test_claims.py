"""Who takes which effect: a statement or two a claim, each row once, each run to its end before the
next is begun.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cihealing import registry, service
from cihealing.models import Outbox, Run
from cihealing.service import outbox
from tests.fakes.service import NOW, Bench, failed, receive


def begin(*numbers: int) -> list[UUID]:
    """Runs of different commits, one after the other, the first one first."""
    found = []
    for number in numbers:
        told = failed(number, commit=f"{number:040x}", branch=f"b-{number}")
        (outcome,) = receive(told, key=str(number), now=NOW + timedelta(minutes=number)).outcomes
        assert outcome.run_id
        found.append(outcome.run_id)
    return found


def steps(bench: Bench, number: int) -> list[UUID | None]:
    """Which runs the next effects that are carried out belong to."""
    taken = []
    claim = outbox.claim_next

    def noted() -> Outbox | None:
        row = claim()
        taken.append(row.run_id if row else None)
        return row

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "claim_next", noted)
        for _ in range(number):
            service.run_next(
                tools=bench.tools, capabilities=registry.CAPABILITIES, readers=registry.READERS
            )
    return taken


@pytest.mark.django_db
def test_the_oldest_run_goes_to_its_end_before_the_next_is_begun() -> None:
    first, second = begin(1, 2)
    taken = steps(Bench(), 40)
    ended = taken.index(second)
    assert set(taken[:ended]) == {first}
    assert Run.objects.get(id=first).status == "fixed"
    assert ended > 3


@pytest.mark.django_db
def test_what_a_begun_run_waits_for_goes_before_a_new_run_that_is_due_longer() -> None:
    first, second = begin(1, 2)
    assert steps(Bench(), 1) == [first]
    Outbox.objects.filter(run_id=second).update(not_before=NOW - timedelta(days=1))
    assert steps(Bench(), 1) == [first]


@pytest.mark.django_db
def test_of_two_begun_runs_the_older_goes_first() -> None:
    runs = begin(1, 2)
    Outbox.objects.update(version=2)
    Outbox.objects.filter(run_id=runs[0]).update(not_before=NOW + timedelta(seconds=1))
    assert steps(Bench(), 1) == [runs[0]]


@pytest.mark.django_db
def test_what_is_not_due_or_held_is_not_taken() -> None:
    begin(1, 2, 3)
    later, held, over = Outbox.objects.order_by("created_at")
    Outbox.objects.filter(id=later.id).update(not_before=outbox.jumps.now() + timedelta(hours=1))
    Outbox.objects.filter(id=held.id).update(lease_until=outbox.jumps.now() + timedelta(hours=1))
    Outbox.objects.filter(id=over.id).update(state="dropped")
    assert outbox.claim_next() is None
    assert outbox.due() == []
    Outbox.objects.filter(id=held.id).update(lease_until=NOW)
    taken = outbox.claim_next()
    assert taken is not None
    assert (taken.id, taken.claims, taken.fence) == (held.id, 1, 1)
    assert taken.lease_until is not None
    assert taken.lease_until > outbox.jumps.now() + timedelta(seconds=50)


@pytest.mark.django_db
@pytest.mark.parametrize(("call", "most"), [("claim", 1), ("claim_next", 2), ("due", 1)])
def test_a_claim_is_a_statement_or_two(
    call: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(1)
    effect = Outbox.objects.get().id
    now = outbox.jumps.now()
    monkeypatch.setattr(outbox.jumps, "now", lambda: now + timedelta(seconds=1))
    with CaptureQueriesContext(connection) as asked:
        found: Any = getattr(outbox, call)(*([effect] if call == "claim" else []))
    assert len(asked) == most, [query["sql"] for query in asked]
    assert (found[0] if call == "due" else found.id) == effect


@pytest.mark.django_db
def test_under_a_storm_nobody_sorts_what_waits() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite says in words how it goes about it")
    begin(1)
    with CaptureQueriesContext(connection) as asked:
        outbox.claim_next()
    claims = [query["sql"] for query in asked if query["sql"].startswith("UPDATE")]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {claims[-1]}")
        plan = " / ".join(str(row[-1]) for row in cursor.fetchall())
    assert "outbox_due" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.usefixtures("committed")
def test_many_who_take_at_once_take_each_row_once() -> None:
    begin(*range(20))

    def take(_: int) -> UUID | None:
        try:
            row = outbox.claim_next()
            return row.id if row else None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        taken = [row for row in pool.map(take, range(40)) if row]
    assert len(set(taken)) == len(taken) == 20
