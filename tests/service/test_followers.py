"""Over the real database: whatever the order of things, no attached run goes on after its leader
stopped.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cihealing import registry, service, store, tasks
from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.policy import Policy
from cihealing.domain.run import Refused
from cihealing.domain.values import Colour, Failure, Purpose, RunStatus, run_id_of
from cihealing.models import BaseClaim, Outbox, Run, StoredEvent
from cihealing.service import outbox
from cihealing.store import rebuilding
from tests.domain.world import ANN, BASE, HASH, HEAD, queued, seen
from tests.factories import make_run
from tests.fakes.service import Bench

pytestmark = pytest.mark.django_db
CAUSE = service.Cause(source="test")
TOOLS = Bench().tools
STEPS = ("reproduce", "blame", "fixers")


def commit(number: int) -> str:
    return f"{number:040x}"


def begin(number: int) -> UUID:
    """A run of a branch of its own, reproduced: what is to blame is asked next."""
    now = datetime.now(UTC)
    run_id = run_id_of("acme/shop", commit(number), HASH)
    with transaction.atomic():
        told = Failure(error_hash=HASH, strong=True, error_type="E", summary="s")
        failure = store.put(msgspec.json.encode(told), kind="failure", now=now)
        policy = store.put(Policy().canonical(), kind="policy", now=now)
    facts = {"branch": f"b{number}", "commit": commit(number), "failure": failure, "policy": policy}
    service.handle(run_id, c.QueueRun(queued=queued(**facts)), cause=CAUSE)
    reproduce(run_id)
    return run_id


def reproduce(run_id: UUID) -> None:
    at = service.get(run_id).failure.commit
    red = seen(Purpose.REPRODUCE, Colour.RED, commit=at)
    for command in (
        c.RecordClass(failure_class="product", confidence=0.9, signs=(), steps=STEPS),  # type: ignore[arg-type]
        c.RecordProject(command="pytest", source="policy"),
        c.RecordObservation(purpose=Purpose.REPRODUCE, seen=red),
    ):
        service.handle(run_id, command, cause=CAUSE)


def blame_base(run_id: UUID) -> None:
    """The base is red in the same way: the run claims it, or attaches to who did."""
    red = seen(Purpose.BASE, Colour.RED, commit=BASE)
    service.handle(
        run_id, c.RecordBlame(seen=red, reason="red", target="main", head=HEAD), cause=CAUSE
    )


def pair() -> tuple[UUID, UUID]:
    leader, follower = begin(1), begin(2)
    blame_base(leader)
    blame_base(follower)
    assert status(follower) == ("running", leader)
    return leader, follower


def hanging(number: int, *facts: e.RunEvent) -> UUID:
    """A run as an earlier release left it: facts, and nothing that waits."""
    return make_run([e.RunStarted(), *facts], error_hash=f"v1:{number:064x}")


def status(run_id: UUID) -> tuple[str, UUID | None]:
    return Run.objects.values_list("status", "attached_to").get(id=run_id)


def notify() -> None:
    """Carry out every notice that waits."""
    for row in Outbox.objects.filter(name="release_followers", state="pending").order_by(
        "created_at"
    ):
        service.run_effect(row.id, tools=TOOLS, capabilities=registry.CAPABILITIES, readers={})


def give_up(run_id: UUID) -> None:
    service.handle(run_id, c.GiveUp(effect="run_command", reason="lost"), cause=CAUSE)


def retry(run_id: UUID) -> None:
    pinned = service.get(run_id).policy
    service.handle(run_id, c.Retry(by=ANN, policy=pinned), cause=CAUSE)


ENDS: dict[str, c.RunCommand] = {
    "abort": c.Abort(by=ANN),
    "supersede": c.Supersede(successor=UUID(int=9)),
    "escalate": c.GiveUp(effect="run_command", reason="lost"),
}


@pytest.mark.parametrize(
    ("how", "ends"), [("abort", "aborted"), ("supersede", "aborted"), ("escalate", "escalated")]
)
def test_a_follower_goes_the_way_of_its_leader(how: str, ends: str) -> None:
    leader, follower = pair()
    service.handle(leader, ENDS[how], cause=CAUSE)
    notify()
    assert status(follower) == (ends, leader)


def test_after_an_escalation_a_green_job_resolves_the_leader_and_with_it_the_followers() -> None:
    leader, follower = pair()
    give_up(leader)
    notify()
    service.handle(leader, c.GreenLater(commit=HEAD), cause=CAUSE)
    notify()
    assert status(follower)[0] == "resolved"


def test_who_attaches_to_an_escalated_leader_does_not_wait() -> None:
    leader, late = begin(1), begin(2)
    blame_base(leader)
    give_up(leader)
    notify()
    blame_base(late)
    assert status(late) == ("escalated", leader)


def test_a_notice_of_an_earlier_generation_does_not_end_who_attached_to_a_later_one() -> None:
    leader = begin(1)
    blame_base(leader)
    service.handle(leader, c.Abort(by=ANN), cause=CAUSE)
    retry(leader)
    reproduce(leader)
    blame_base(leader)
    follower = begin(2)
    blame_base(follower)
    notify()
    assert status(follower) == ("running", leader)


def test_followers_of_a_leader_that_attached_to_another_one_end_with_that_one() -> None:
    first, follower = pair()
    give_up(first)
    retry(first)
    other = begin(3)
    blame_base(other)
    reproduce(first)
    blame_base(first)
    assert status(first) == ("running", other)
    service.handle(other, c.Abort(by=ANN), cause=CAUSE)
    notify()
    notify()
    assert [status(run)[0] for run in (first, follower)] == ["aborted", "aborted"]


def test_a_notice_that_was_given_up_leaves_nobody_behind() -> None:
    leader, follower = pair()
    service.handle(leader, c.Abort(by=ANN), cause=CAUSE)
    Outbox.objects.filter(name="release_followers").update(claims=outbox.MAX_CLAIMS - 1)
    notify()
    assert status(follower)[0] == "running"
    tasks.sweep()
    assert status(follower)[0] == "aborted"


def test_runs_that_already_hang_in_a_database_are_healed_by_events_once() -> None:
    leader = hanging(
        1, e.BaseClaimed(branch="main", head=HEAD), e.RunAborted(reason="person", by=ANN)
    )
    follower = hanging(2, e.AttachedToBase(leader=leader))
    assert service.release_followers() == 1
    assert [x.event.reason for x in store.load(follower) if isinstance(x.event, e.RunAborted)] == [
        "leader"
    ]
    facts = StoredEvent.objects.count()
    assert service.release_followers() == 0
    assert StoredEvent.objects.count() == facts
    assert list(store.verify()) == []


def test_one_run_that_cannot_be_written_holds_none_of_the_others_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leader, bad = pair()
    good = begin(3)
    blame_base(good)
    service.handle(leader, c.Abort(by=ANN), cause=CAUSE)
    handle = service.handle

    def moved(run_id: UUID, *args, **kwargs):
        if run_id == bad:
            raise store.StreamMoved("lost")
        return handle(run_id, *args, **kwargs)

    monkeypatch.setattr("cihealing.service.following.handle", moved)
    service.release_followers()
    assert (status(bad)[0], status(good)[0]) == ("running", "aborted")


@dataclass
class Interleaving:
    """Three runs of one broken base; each word is one transaction of one of them, or a notice that
    is carried out or lost.
    """

    runs: tuple[UUID, ...]

    def do(self, word: str, number: int) -> None:
        if word in ("notice", "lost"):
            self.notice(lost=word == "lost")
        else:
            self.of_run(word, self.runs[number])

    def of_run(self, word: str, run_id: UUID) -> None:
        commands = {"green": c.GreenLater(commit=HEAD), "fix": c.FixByHand(by=ANN), **ENDS}
        with suppress(Refused):
            if word == "blame":
                blame_base(run_id)
            elif word == "retry":
                retry(run_id)
                reproduce(run_id)
            else:
                service.handle(run_id, commands[word], cause=CAUSE)

    def notice(self, *, lost: bool) -> None:
        """Any that waits: which one is the broker's choice, so here the newest."""
        row = (
            Outbox.objects.filter(name="release_followers", state="pending")
            .order_by("-created_at", "id")
            .first()
        )
        if row is None:
            return
        if lost:
            Outbox.objects.filter(id=row.id).update(state="gave_up")
        else:
            service.run_effect(row.id, tools=TOOLS, capabilities=registry.CAPABILITIES, readers={})


WORDS = st.sampled_from(
    [
        "blame",
        "blame",
        "abort",
        "supersede",
        "escalate",
        "escalate",
        "green",
        "fix",
        "retry",
        "retry",
        "notice",
        "lost",
    ]
)
ORDERS = st.lists(st.tuples(WORDS, st.sampled_from([0, 0, 0, 1, 1, 2])), min_size=5, max_size=14)


def left_behind() -> list[tuple[str, str]]:
    """Asked of the rows one by one, not of the code that is tested."""
    rows = {row.id: row for row in Run.objects.all()}
    found = []
    for row in rows.values():
        leader = rows.get(row.attached_to) if row.attached_to else None
        if leader is None or row.status in ("resolved", "aborted"):
            continue
        stopped = leader.status in ("resolved", "aborted") or (
            leader.status == "escalated" and row.status == "running"
        )
        found += [(row.status, leader.status)] if stopped else []
    return found


def consistent() -> None:
    claimed = set(BaseClaim.objects.values_list("run_id", flat=True))
    assert not claimed & set(
        Run.objects.filter(status__in=["resolved", "aborted"]).values_list("id", flat=True)
    )
    assert all(RunStatus(row.status) for row in Run.objects.all())
    before = list(Run.objects.order_by("id").values())
    rebuilding.rebuild()
    assert list(Run.objects.order_by("id").values()) == before


@pytest.fixture
def world() -> Interleaving:
    """The first stands for the base, the second is attached to it, the third does not know yet what
    is to blame.
    """
    leader, follower = pair()
    return Interleaving(runs=(leader, follower, begin(3)))


# What a database adds: locks aside, tests/domain/test_followers.py asks the same of a thousand
# orders.
EXAMPLES = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@EXAMPLES
@given(order=ORDERS)
def test_after_a_sweep_no_attached_run_is_open_after_its_leader_ended(
    world: Interleaving, order: list[tuple[str, int]]
) -> None:
    with transaction.atomic():
        for word, number in order:
            world.do(word, number)
        while service.release_followers():
            pass
        assert left_behind() == []
        consistent()
        transaction.set_rollback(True)
