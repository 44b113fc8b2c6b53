"""The database's clock is set: what waits, waits as long as before; who holds a lease, holds it;
nothing is done twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from celery.beat import ScheduleEntry
from django.db import connection, transaction

from cihealing import clock
from cihealing.domain.effects import DeadlineTimer, WatchChange
from cihealing.models import Clock, Outbox
from cihealing.read import figures
from cihealing.service import jumps, outbox
from cihealing.service.jumps import NOTE, SLOW, TOLERANCE, ClockWatch
from config.celery import app

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAYS = timedelta(days=2)


class World:
    """A database's clock that is set, and machines whose time since start is not."""

    def __init__(self) -> None:
        self.wall, self.up = START, 1000.0

    def pass_(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.up += seconds

    def watch(self, *, boot: str = "this machine", ahead: float = 0.0) -> ClockWatch:
        return ClockWatch(uptime=lambda: self.up + ahead, boot=lambda: boot)


@pytest.fixture
def world(committed: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()
    monkeypatch.setattr(clock, "database_now", lambda: world.wall)
    monkeypatch.setattr(figures, "database_now", lambda: world.wall)
    # The one that everything asks, made as if it had just begun.
    for name, value in vars(world.watch()).items():
        monkeypatch.setattr(jumps.watch, name, value)
    jumps.now()
    return world


def put(*, wait: float = 0.0, lease: float | None = None, name: str = "prove") -> UUID:
    """A row as `enqueue` and `claim` leave it."""
    at = jumps.now()
    until = at + timedelta(seconds=lease) if lease else None
    row = Outbox.objects.create(
        id=uuid4(),
        stream=uuid4(),
        version=1,
        ordinal=0,
        name=name,
        payload="{}",
        created_at=at,
        state="pending",
        not_before=at + timedelta(seconds=wait),
        lease_until=until,
        fence=1,
        claims=1 if lease else 0,
    )
    return row.id


SETS: list[Callable[[World], None]] = [
    lambda world: setattr(world, "wall", world.wall - DAYS),
    lambda world: setattr(world, "wall", world.wall + DAYS),
    lambda world: setattr(world, "wall", world.wall - timedelta(seconds=TOLERANCE + 10)),
]
back, ahead, little = SETS


@pytest.mark.parametrize("set_clock", SETS, ids=["two days back", "two days ahead", "40 s back"])
def test_what_is_due_is_due_and_what_waits_waits_as_long(
    world: World, set_clock: Callable[[World], None]
) -> None:
    due, soon, later = put(), put(wait=100), put(wait=7200)
    world.pass_(5)
    set_clock(world)
    world.pass_(1)
    assert outbox.due() == [due]
    assert figures.backlog().oldest_due_seconds == 6
    assert outbox.claim(soon) is None
    world.pass_(100)
    assert set(outbox.due()) == {due, soon}
    assert outbox.claim(soon) is not None
    world.pass_(7000)
    assert outbox.claim(later) is None
    world.pass_(100)
    assert outbox.claim(later) is not None


@pytest.mark.parametrize("set_clock", SETS, ids=["two days back", "two days ahead", "40 s back"])
def test_a_lease_is_neither_stolen_nor_held_for_days(
    world: World, set_clock: Callable[[World], None]
) -> None:
    effect = put(lease=60)
    row = Outbox.objects.get(id=effect)
    world.pass_(10)
    set_clock(world)
    assert outbox.claim(effect) is None, "who holds it is alive"
    assert outbox.held(row)
    assert outbox.renew(row)
    world.pass_(59)
    assert outbox.claim(effect) is None
    world.pass_(2)
    taken = outbox.claim(effect)
    assert taken is not None, "a minute without a word, and it is another's"
    assert (taken.fence, outbox.held(row)) == (2, False)
    assert outbox.claim(effect) is None, "it is not stolen twice"


def test_what_was_told_to_a_lost_broker_is_told_again(world: World) -> None:
    effect = put()
    assert outbox.due() == [effect]
    back(world)
    world.pass_(1)
    assert outbox.due() == [effect]


def test_a_jump_is_told_once_and_moved_once_whoever_sees_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    others = [world.watch(), world.watch(boot="another machine", ahead=5000)]
    for other in others:
        other.now()
    later = put(wait=7200)
    world.pass_(5)
    back(world)
    for watch in (jumps.watch, *others, jumps.watch, *others):
        watch.now()
        world.pass_(1)
    assert Outbox.objects.get(id=later).not_before == START - DAYS + timedelta(seconds=7200)
    assert [record.getMessage() for record in caplog.records] == [
        "the database's clock was set back by 172800 s: 1 effects and 0 leases were moved along"
    ]


def test_there_and_back_again_is_as_if_nothing_had_been(world: World) -> None:
    later = put(wait=7200)
    for set_clock in (back, ahead, ahead, back):
        world.pass_(1)
        set_clock(world)
        jumps.now()
    assert Outbox.objects.get(id=later).not_before == START + timedelta(seconds=7200)


@pytest.mark.parametrize("set_clock", [back, ahead])
def test_a_service_that_was_off_when_it_was_set_finds_out_on_the_same_machine(
    world: World, set_clock: Callable[[World], None]
) -> None:
    due, later = put(), put(wait=7200)
    world.pass_(50)
    set_clock(world)
    world.pass_(50)
    world.watch().now()
    assert Outbox.objects.get(id=later).not_before == world.wall + timedelta(seconds=7100)
    assert Outbox.objects.get(id=due).not_before <= world.wall


def test_on_another_machine_time_at_least_does_not_go_back(world: World) -> None:
    due, later = put(), put(wait=7200)
    back(world)
    fresh = world.watch(boot="another machine")
    fresh.now()
    assert Outbox.objects.get(id=due).not_before <= world.wall
    assert Outbox.objects.get(id=later).not_before == world.wall + timedelta(seconds=7200)


@pytest.mark.parametrize("boot", ["another machine", ""])
def test_having_been_off_for_days_is_no_jump(world: World, boot: str) -> None:
    later = put(wait=7200)
    world.wall += DAYS
    world.watch(boot=boot, ahead=-900).now()
    assert Outbox.objects.get(id=later).not_before == START + timedelta(seconds=7200)


def test_a_machine_that_stood_still_moves_nothing_where_others_went_on(world: World) -> None:
    other = world.watch(boot="another machine")
    later = put(wait=7200)
    for _ in range(20):
        world.pass_(NOTE + 1)
        other.now()
    slept = jumps.watch
    slept.uptime = lambda: world.up - 19 * (NOTE + 1)
    slept.now()
    assert Outbox.objects.get(id=later).not_before == START + timedelta(seconds=7200)


def test_a_clock_that_is_corrected_bit_by_bit_never_jumps(world: World) -> None:
    later = put(wait=7200)
    for _ in range(100):
        world.pass_(10)
        world.wall -= timedelta(seconds=1)
        jumps.now()
    assert Outbox.objects.get(id=later).not_before == START + timedelta(seconds=7200)


def test_a_question_that_took_long_says_nothing_about_clocks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow() -> datetime:
        world.pass_(TOLERANCE + SLOW + 1)
        return world.wall

    later = put(wait=7200)
    monkeypatch.setattr(clock, "database_now", slow)
    jumps.now()
    assert Outbox.objects.get(id=later).not_before == START + timedelta(seconds=7200)


def test_within_a_transaction_time_goes_on_and_is_moved_with_the_rest(world: World) -> None:
    back(world)
    with transaction.atomic():
        assert jumps.now() == START
        inside = put(wait=60)
    assert outbox.claim(inside) is None
    world.pass_(61)
    assert outbox.claim(inside) is not None


def test_time_is_noted_now_and_then_and_not_at_every_look(
    world: World, django_assert_num_queries: Any
) -> None:
    noted = Clock.objects.get().seen
    world.pass_(1)
    with django_assert_num_queries(0):
        jumps.now()
    world.pass_(NOTE + 1)
    jumps.now()
    assert Clock.objects.get().seen == noted + timedelta(seconds=NOTE + 2)


def test_looks_of_many_threads_move_once(world: World) -> None:
    later = put(wait=7200)
    ahead(world)
    watch = jumps.watch
    threads = [threading.Thread(target=closing(watch.now)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Outbox.objects.get(id=later).not_before == START + DAYS + timedelta(seconds=7200)


def closing(work: Callable[[], Any]) -> Callable[[], None]:
    def closed() -> None:
        try:
            work()
        finally:
            connection.close()

    return closed


# reckoned from it


@pytest.mark.parametrize("off", [-DAYS, DAYS, timedelta(0)])
def test_a_host_whose_clock_differs_from_the_databases_delays_nothing(
    world: World, off: timedelta
) -> None:
    host = world.wall + off
    stream = uuid4()
    called = [
        (1, WatchChange(url="https://forge/1", not_before=host + timedelta(seconds=60))),
        (2, DeadlineTimer()),
    ]
    outbox.enqueue(stream, called, run_id=None, now=host)
    waits = {
        row.name: (row.not_before - world.wall).total_seconds()
        for row in Outbox.objects.filter(stream=stream)
    }
    assert waits == {"watch_change": 60.0, "deadline_timer": 0.0}
    assert figures.backlog().oldest_due_seconds == 0.0


def test_the_beat_does_not_look_at_a_clock_that_can_be_set() -> None:
    """Celery's own schedules do, and would send no sweep for two days."""
    settings = app.conf.beat_schedule["sweep"]
    entry = ScheduleEntry(
        name="sweep", task=settings["task"], schedule=settings["schedule"], app=app
    )
    at, most = datetime.now(UTC), settings["schedule"].run_every.total_seconds()
    with time_machine.travel(at - DAYS):
        assert 0 < entry.is_due().next <= most
    with time_machine.travel(at + DAYS):
        assert not entry.is_due().is_due
