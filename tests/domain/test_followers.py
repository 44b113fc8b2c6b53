"""What an attached run does with what became of its leader, and who tells its followers when."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cihealing.domain import commands as c
from cihealing.domain import effects as f
from cihealing.domain import events as e
from cihealing.domain.decide import decide
from cihealing.domain.evolve import evolve
from cihealing.domain.policy import Policy, RepositoryPolicy
from cihealing.domain.react import react
from cihealing.domain.run import Refused, RunState
from cihealing.domain.values import Blame, Colour, FailureClass, Observation, Purpose, RunStatus
from tests.domain.world import ANN, BASE, HEAD, NOW, World, queued, seen

LEADER, OTHER = UUID(int=1), UUID(int=2)
S = RunStatus


def red_everywhere(purpose: Purpose, number: int) -> Observation:
    """The base is as red as the branch; a patch heals both."""
    return seen(purpose, Colour.GREEN if purpose in (Purpose.SCREEN, Purpose.GREEN) else Colour.RED)


def attached(leader_status: RunStatus = S.RUNNING) -> World:
    world = World(run_command=red_everywhere, queued=queued(branch="feature"), leader=LEADER)
    answer = world.answer

    def with_status(effect: f.Effect):
        command = answer(effect)
        if isinstance(command, c.RecordBlame):
            return msgspec.structs.replace(command, leader_status=leader_status)
        return command

    world.answer = with_status  # type: ignore[method-assign]
    world.heal()
    return world


def follow(world: World, status: RunStatus | None, leader: UUID = LEADER) -> World:
    world.handle(c.FollowLeader(leader=leader, status=status))
    return world


@pytest.mark.parametrize(
    ("leader", "follower", "how"),
    [
        (S.QUEUED, S.RUNNING, ""),
        (S.RUNNING, S.RUNNING, ""),
        (S.FIXED, S.RUNNING, ""),
        (S.ESCALATED, S.ESCALATED, ""),
        (S.RESOLVED, S.RESOLVED, "base_healed"),
        (S.ABORTED, S.ABORTED, "leader"),
        (None, S.RUNNING, ""),
    ],
)
def test_a_running_follower_stops_where_its_leader_stopped(
    leader: RunStatus | None, follower: RunStatus, how: str
) -> None:
    run = follow(attached(), leader).run
    assert (run.status, run.end.resolution or run.end.abort_reason) == (follower, how)


@pytest.mark.parametrize(
    ("leader", "follower"),
    [
        (S.RUNNING, S.ESCALATED),
        (S.ESCALATED, S.ESCALATED),
        (S.RESOLVED, S.RESOLVED),
        (S.ABORTED, S.ABORTED),
    ],
)
def test_a_follower_that_escalated_with_its_leader_still_ends_with_it(
    leader: RunStatus, follower: RunStatus
) -> None:
    world = follow(follow(attached(), S.ESCALATED), leader)
    assert world.run.status is follower
    assert len(world.of(e.RunEscalated)) == 1


def test_a_run_that_attaches_to_an_escalated_leader_escalates_at_once_and_says_why() -> None:
    run = attached(S.ESCALATED).run
    assert (run.status, run.cluster.attached_to, run.blame.verdict) == (
        S.ESCALATED,
        LEADER,
        Blame.BASE,
    )
    assert "stands for it needs a person" in run.end.escalation_reason
    assert run.end.report


def test_only_the_own_leader_counts() -> None:
    assert follow(attached(), S.RESOLVED, leader=OTHER).run.status is S.RUNNING


def test_what_has_ended_does_not_end_again() -> None:
    world = follow(attached(), S.RESOLVED)
    version = world.run.version
    assert follow(world, S.ABORTED).run.version == version


def test_a_retried_follower_is_nobodys_follower() -> None:
    world = follow(attached(), S.ESCALATED)
    world.handle(c.Retry(by=ANN, policy="e" * 64))
    assert world.run.cluster.attached_to is None
    assert follow(world, S.ABORTED).run.status is S.QUEUED


STOPS: dict[str, c.RunCommand] = {
    "aborted by a person": c.Abort(by=ANN),
    "superseded": c.Supersede(successor=OTHER),
    "given up": c.GiveUp(effect="run_command", reason="lost"),
    "denied": c.Deny(by=ANN),
    "unanswered": c.ExpireReview(version=0),
}


def leading() -> World:
    world = World(run_command=red_everywhere, queued=queued(branch="feature"))
    assert world.heal().blame.claimed_base == "main"
    return world


def notices(world: World) -> int:
    return sum(isinstance(effect, f.ReleaseFollowers) for effect in world.pending)


@pytest.mark.parametrize("how", STOPS)
def test_however_a_leader_stops_its_followers_are_told(how: str) -> None:
    world = leading()
    command = STOPS[how]
    if isinstance(command, c.ExpireReview):
        command = c.ExpireReview(version=world.run.review.proven_at)
    assert world.handle(command).status in (S.ABORTED, S.ESCALATED)
    assert notices(world) == 1


@pytest.mark.parametrize("end", [c.GreenLater(commit=HEAD), c.FixByHand(by=ANN), c.Abort(by=ANN)])
def test_an_escalated_leader_tells_again_when_it_ends(end: c.RunCommand) -> None:
    world = leading()
    world.handle(STOPS["given up"])
    assert world.handle(end).status.ended
    assert notices(world) == 2


@pytest.mark.parametrize("end", [c.Abort(by=ANN), c.GiveUp(effect="classify", reason="lost")])
def test_a_retried_leader_that_claims_nothing_any_more_still_tells_those_of_before(
    end: c.RunCommand,
) -> None:
    world = leading()
    world.handle(STOPS["given up"])
    world.handle(c.Retry(by=ANN, policy="e" * 64))
    assert not world.run.blame.claimed_base
    world.pending.clear()
    world.handle(end)
    assert notices(world) == 1


def test_a_leader_that_attached_in_a_later_generation_passes_it_on() -> None:
    world = leading()
    world.handle(STOPS["given up"])
    world.handle(c.Retry(by=ANN, policy="e" * 64))
    world.leader = OTHER
    assert world.heal().cluster.attached_to == OTHER
    follow(world, S.RESOLVED, leader=OTHER)
    assert world.run.status is S.RESOLVED
    assert notices(world) == 1


def test_who_never_led_tells_nobody() -> None:
    world = World(queued=queued())
    world.handle(c.QueueRun(queued=world.queued))
    world.handle(c.Abort(by=ANN))
    assert notices(world) == 0


@pytest.mark.parametrize(("leader", "said"), [(LEADER, 0), (None, 1)])
def test_an_attached_run_says_nothing_at_the_forge(leader: UUID | None, said: int) -> None:
    policy = Policy(safe_mode=False, repositories=(RepositoryPolicy(match="*", say="comment"),))
    world = World(
        run_command=red_everywhere, queued=queued(branch="feature"), leader=leader, policy=policy
    )
    world.heal()
    world.handle(c.GiveUp(effect="run_command", reason="lost"))
    world.handle(c.RecordReport(report="r" * 64, owner=None, diagnosis=None))
    assert sum(isinstance(effect, f.Say) for effect in world.pending) == said


class Family:
    """Three runs of one broken base, and the notices of their stops, which come in any order or
    never. What the service looks up, it looks up here: who holds the claim, and where a leader
    is.
    """

    def __init__(self) -> None:
        self.runs = [RunState(id=UUID(int=n)) for n in (1, 2, 3)]
        self.notices: list[RunState] = []

    @classmethod
    @lru_cache
    def begun(cls) -> tuple[RunState, ...]:
        """The first stands for the base, the second is attached to it, the third does not know yet
        what is to blame.
        """
        family = cls()
        for n in range(3):
            family.handle(n, c.QueueRun(queued=queued(branch=f"b{n}")))
            family.reproduce(n)
        family.blame(0)
        family.blame(1)
        return tuple(family.runs)

    @classmethod
    def after(cls, order: list[tuple[str, int]]) -> Family:
        family = cls()
        family.runs = list(cls.begun())
        for word, n in order:
            family.do(word, n)
        return family

    def status(self, run_id: UUID | None) -> RunStatus | None:
        return next((run.status for run in self.runs if run.id == run_id), None)

    def handle(self, n: int, command: c.RunCommand) -> None:
        if isinstance(command, c.FollowLeader):
            command = msgspec.structs.replace(command, status=self.status(command.leader))
        run = self.runs[n]
        with suppress(Refused):
            events = decide(run, command, policy=POLICY, now=NOW)
            for event in events:
                run = evolve(run, e.Envelope(event=event, at=NOW, actor=ANN, source="test"))
            self.runs[n] = run
            called = react(run, events, policy=POLICY, now=NOW)
            self.notices += [run for _, effect in called if isinstance(effect, f.ReleaseFollowers)]

    def reproduce(self, n: int) -> None:
        signs = {"confidence": 0.9, "signs": (), "steps": ("reproduce", "blame", "fixers")}
        self.handle(n, c.RecordClass(failure_class=FailureClass.PRODUCT, **signs))  # type: ignore[arg-type]
        self.handle(n, c.RecordProject(command="pytest", source="policy"))
        self.handle(
            n,
            c.RecordObservation(
                purpose=Purpose.REPRODUCE, seen=seen(Purpose.REPRODUCE, Colour.RED)
            ),
        )

    def blame(self, n: int) -> None:
        leader = next((run.id for run in self.runs if run.blame.claimed_base and run.open), None)
        red = seen(Purpose.BASE, Colour.RED, commit=BASE)
        told = c.RecordBlame(
            seen=red,
            reason="",
            target="main",
            head=HEAD,
            leader=leader,
            leader_status=self.status(leader),
        )
        self.handle(n, told)

    def tell(self, leader: UUID | None = None) -> None:
        """Carry out a notice; without a leader, the sweep."""
        for n, run in enumerate(self.runs):
            if run.cluster.attached_to and leader in (None, run.cluster.attached_to):
                self.handle(n, c.FollowLeader(leader=run.cluster.attached_to))

    def do(self, word: str, n: int) -> None:
        if word == "retry":
            self.handle(n, c.Retry(by=ANN, policy="e" * 64))
            self.reproduce(n)
        elif word == "blame":
            self.blame(n)
        elif word == "notice" and self.notices:
            self.tell(self.notices.pop(n % len(self.notices)).id)
        elif word == "lost" and self.notices:
            self.notices.pop(n % len(self.notices))
        elif word in ENDS:
            self.handle(n, ENDS[word])

    def left_behind(self) -> list[tuple[RunStatus, RunStatus | None]]:
        attached = [
            (run.status, self.status(run.cluster.attached_to))
            for run in self.runs
            if run.cluster.attached_to and run.open
        ]
        return [
            (own, led)
            for own, led in attached
            if led and (led.ended or (led is S.ESCALATED and own is S.RUNNING))
        ]


POLICY = Policy()
ENDS: dict[str, c.RunCommand] = {
    "abort": c.Abort(by=ANN),
    "supersede": c.Supersede(successor=UUID(int=9)),
    "escalate": c.GiveUp(effect="run_command", reason="lost"),
    "green": c.GreenLater(commit=HEAD),
    "fix": c.FixByHand(by=ANN),
}
WORDS = [
    "blame",
    "blame",
    "escalate",
    "escalate",
    "retry",
    "retry",
    "abort",
    "supersede",
    "green",
    "fix",
    "notice",
]
NUMBERS = st.sampled_from([0, 0, 0, 1, 1, 2])


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*WORDS, "lost"]), NUMBERS), min_size=8, max_size=14))
def test_after_a_sweep_no_attached_run_is_open_after_its_leader_ended_whatever_the_order(
    order: list[tuple[str, int]],
) -> None:
    family = Family.after(order)
    for _ in family.runs:  # a leader may itself have followed another one
        family.tell()
    assert family.left_behind() == []


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WORDS), NUMBERS), min_size=8, max_size=14))
def test_where_no_notice_is_lost_the_sweep_finds_nobody(order: list[tuple[str, int]]) -> None:
    family = Family.after(order)
    while family.notices:
        family.tell(family.notices.pop(0).id)
    assert family.left_behind() == []
