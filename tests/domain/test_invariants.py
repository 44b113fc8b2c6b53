"""What holds for any history, whatever is asked in whatever order."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.evolve import fold
from cihealing.domain.policy import Policy
from cihealing.domain.run import Refused, RunState
from cihealing.domain.values import Colour, FailureClass, Purpose, RunStatus
from tests.domain.world import ANN, EXECUTION, HEAD, RUN, World, seen

ENDS = (e.RunResolved, e.RunAborted)
ALLOWED = {
    RunStatus.QUEUED: {RunStatus.RUNNING, RunStatus.ABORTED, RunStatus.ESCALATED},
    RunStatus.RUNNING: {
        RunStatus.FIXED,
        RunStatus.ESCALATED,
        RunStatus.RESOLVED,
        RunStatus.ABORTED,
    },
    RunStatus.FIXED: {
        RunStatus.RESOLVED,
        RunStatus.RUNNING,
        RunStatus.ESCALATED,
        RunStatus.ABORTED,
    },
    RunStatus.ESCALATED: {RunStatus.RESOLVED, RunStatus.ABORTED, RunStatus.QUEUED},
    RunStatus.RESOLVED: {RunStatus.QUEUED},
    RunStatus.ABORTED: {RunStatus.QUEUED},
}
"""The transition table; back to queued by a retry only."""

PEOPLE = st.sampled_from(
    [
        "approve",
        "deny",
        "abort",
        "retry",
        "fix",
        "step",
        "step",
        "step",
        "step",
        "late",
        "moved",
        "green",
        "expire",
        "gone",
    ]
)


def outside(world: World, word: str) -> None:
    run = world.run
    commands: dict[str, c.RunCommand] = {
        "approve": c.Approve(act="merge", version=run.version, by=ANN),
        "deny": c.Deny(by=ANN),
        "abort": c.Abort(by=ANN),
        "retry": c.Retry(by=ANN, policy="e" * 64),
        "fix": c.FixByHand(by=ANN),
        "late": c.PassDeadline(),
        "moved": c.RecordHeadMoved(expected=run.head, found=HEAD),
        "green": c.GreenLater(commit=HEAD),
        "expire": c.ExpireReview(version=run.review.proven_at),
        "gone": c.GiveUp(effect="run_command", reason="lost"),
    }
    if word == "step":
        if world.pending:
            world.step(world.pending.pop(0))
        return
    try:
        world.handle(commands[word])
    except Refused:
        return
    if world.run.status is not RunStatus.RUNNING:
        world.pending = [
            x for x in world.pending if type(x).__name__ in ("Publish", "WriteReport", "Classify")
        ]


@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(PEOPLE, max_size=60),
    odds=st.sampled_from([0.0, 0.2, 0.8, 1.0]),
    seed=st.integers(0, 1000),
    failure_class=st.sampled_from(list(FailureClass)),
)
def test_any_history_keeps_the_invariants(
    words: list[str], odds: float, seed: int, failure_class: FailureClass
) -> None:
    dice = random.Random(seed)

    def observe(purpose: Purpose, number: int):
        red = dice.random() < odds if purpose is not Purpose.CANARY else True
        return seen(purpose, Colour.RED if red else Colour.GREEN)

    world = World(
        run_command=observe,
        failure_class=failure_class,
        patches=[x * 64 for x in "pqrstuvw"],
        rerun=dice.choice(["green", "same", "other"]),
    )
    world.handle(c.QueueRun(queued=world.queued))
    for word in words:
        outside(world, word)
    check(world)


def check(world: World) -> None:
    run, policy = world.run, Policy()
    assert run.version == len(world.envelopes)
    assert_transitions(world)
    for generation in generations(world.events):
        assert sum(isinstance(x, ENDS) for x in generation) <= 1
        assert sum(isinstance(x, e.AttemptStarted) for x in generation) <= policy.max_attempts
    merges = [
        x for x in world.of(e.ChangePublished) if isinstance(x, e.ChangePublished) and x.merged
    ]
    assert len(merges) <= run.generation
    assert not (
        run.status is RunStatus.FIXED and not run.review.proof
    )  # nothing is proven without its record
    if run.status is RunStatus.RUNNING:
        assert run.running_since is not None
    else:
        assert run.running_since is None


def generations(events: list[e.AnyEvent]) -> list[list[e.AnyEvent]]:
    split: list[list[e.AnyEvent]] = [[]]
    for event in events:
        if isinstance(event, e.RunRetried):
            split.append([])
        split[-1].append(event)
    return split


def assert_transitions(world: World) -> None:
    state: RunState = fold(RUN, world.envelopes[:1])
    for count in range(2, len(world.envelopes) + 1):
        following = fold(RUN, world.envelopes[:count])
        if following.status is not state.status:
            assert following.status in ALLOWED[state.status], (
                state.status,
                following.status,
                world.envelopes[count - 1].event,
            )
        state = following


def test_an_end_is_an_end() -> None:
    world = World()
    world.heal()
    world.handle(c.Abort(by=ANN))
    before = world.run
    for command in (
        c.PassDeadline(),
        c.GreenLater(commit=HEAD),
        c.ExpireReview(version=before.version),
        c.GiveUp(effect="x", reason="y"),
    ):
        world.handle(command)
    assert world.run == before
    world.handle(c.Recur(execution=EXECUTION))
    assert world.run.recurrences == 1
