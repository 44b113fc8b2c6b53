"""Whole healings through the pure core: how each kind of failure ends."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from cihealing.domain import commands as c
from cihealing.domain import effects as f
from cihealing.domain import events as e
from cihealing.domain.policy import Policy
from cihealing.domain.run import Refused, Stale
from cihealing.domain.values import Blame, Colour, Evidence, FailureClass, Purpose, RunStatus
from tests.domain.world import ANN, COMMIT, HEAD, World, always, flaky, observation, queued, seen


def test_a_failure_that_a_fixer_heals_is_proven_and_waits_for_a_person() -> None:
    world = World()
    run = world.heal()
    assert (run.status, run.evidence, run.blame.verdict) == (
        RunStatus.FIXED,
        Evidence.PROVEN,
        Blame.CHANGE,
    )
    purposes = [s.purpose for s in run.attempts[0].observations]
    assert purposes == [
        Purpose.SCREEN,
        *[Purpose.RED_BEFORE] * 2,
        *[Purpose.GREEN] * 3,
        Purpose.RED_AFTER,
        Purpose.CANARY,
    ]
    assert run.review.patch == "p" * 64
    assert run.review.proof


def test_deterministic_needs_five_of_five_red() -> None:
    run = World().heal()
    before = [s for s in run.local.observations if s.purpose in (Purpose.REPRODUCE, Purpose.STEADY)]
    assert len(before) == 5


def test_approval_merges_once_and_resolves() -> None:
    world = World()
    version = world.heal().version
    world.handle(c.Approve(act="merge", version=version, by=ANN))
    assert world.heal().status is RunStatus.RESOLVED
    assert [x.how for x in world.of(e.RunResolved)] == ["merged"]
    with pytest.raises(Refused):
        world.handle(c.Approve(act="merge", version=world.run.version, by=ANN))


@pytest.mark.parametrize("version", [None, 1, 10_000])
def test_an_approval_of_another_version_does_nothing(version: int | None) -> None:
    world = World()
    before = world.heal()
    with pytest.raises(Stale):
        world.handle(c.Approve(act="merge", version=version, by=ANN))
    assert world.run == before


def test_a_denied_patch_escalates_and_is_never_tried_again() -> None:
    world = World()
    world.heal()
    world.handle(c.Deny(by=ANN, note="no"))
    assert world.heal().status is RunStatus.ESCALATED
    world.patches = ["p" * 64]
    world.handle(c.Retry(by=ANN, policy="e" * 64))
    run = world.heal()
    assert run.generation == 2
    assert run.status is RunStatus.ESCALATED
    assert any("refused this patch" in note for note in run.plan.notes)


def test_what_is_approved_can_be_neither_approved_again_nor_denied() -> None:
    world = World()
    world.handle(c.Approve(act="merge", version=world.heal().version, by=ANN))
    for command in (c.Approve(act="merge", version=world.run.version, by=ANN), c.Deny(by=ANN)):
        with pytest.raises(Refused, match="ann approved it already"):
            world.handle(command)


def test_a_publisher_that_failed_gives_the_patch_back_and_the_timer_still_rings() -> None:
    world = World()
    proven = world.heal().review.proven_at
    world.handle(c.Approve(act="merge", version=world.run.version, by=ANN))
    world.pending.clear()
    world.handle(c.RecordPublishFailed(reason="the worktree is dirty"))
    assert (world.run.status, world.run.review.approved_by) == (RunStatus.FIXED, None)
    world.handle(c.ExpireReview(version=proven))
    assert world.run.end.escalation_reason == "the review went unanswered"


def test_the_timer_of_an_older_proof_says_nothing_of_a_newer_one() -> None:
    world = World()
    first = world.heal()
    world.handle(c.RecordHeadMoved(expected=first.head, found=HEAD))
    world.heal()
    world.handle(c.ExpireReview(version=first.review.proven_at))
    assert world.run.status is RunStatus.FIXED


@pytest.mark.parametrize("reds", [1, 2, 3, 4])
def test_red_and_green_of_one_tree_is_a_flake_and_needs_no_patch(reds: int) -> None:
    def comes_and_goes(purpose: Purpose, number: int):
        return seen(purpose, Colour.RED if number <= reds else Colour.GREEN)

    world = World(run_command=comes_and_goes)
    run = world.heal()
    assert (run.status, run.end.resolution, run.blame.verdict, run.attempts) == (
        RunStatus.RESOLVED,
        "flake",
        Blame.FLAKE,
        (),
    )


def test_a_green_first_look_goes_on_until_a_red_shows_the_flake() -> None:
    world = World(
        run_command=lambda purpose, number: seen(
            purpose, Colour.RED if number == 4 else Colour.GREEN
        )
    )
    assert world.heal().end.resolution == "flake"


def test_red_in_ci_and_green_here_is_not_reproduced() -> None:
    world = World(run_command=lambda purpose, number: seen(purpose, Colour.GREEN), rerun="same")
    run = world.heal()
    assert (run.status, run.evidence) == (RunStatus.ESCALATED, Evidence.NOT_REPRODUCED)
    assert len(world.of(e.RerunRequested)) == 2  # the cap


def test_not_reproduced_and_green_on_rerun_is_resolved() -> None:
    world = World(run_command=lambda purpose, number: seen(purpose, Colour.GREEN), rerun="green")
    assert world.heal().end.resolution == "rerun_green"


def test_green_here_and_both_red_and_green_in_the_same_ci_job_is_a_flake() -> None:
    world = World(
        run_command=lambda purpose, number: seen(purpose, Colour.GREEN), queued=queued(greens=2)
    )
    run = world.heal()
    assert (run.end.resolution, run.blame.verdict, world.of(e.RerunRequested)) == (
        "flake",
        Blame.FLAKE,
        [],
    )


def test_another_failure_here_is_not_the_reported_one() -> None:
    other = observation(
        Colour.RED,
        error_hash="v1:" + "0" * 64,
        error_type="OSError",
        failed_tests=("tests/test_z.py::test_z",),
    )
    run = World(run_command=lambda purpose, number: other, rerun="same").heal()
    assert run.local.not_reproduced.startswith("red here with another failure (OSError")


def test_a_missing_environment_is_named_and_escalates() -> None:
    gone = observation(Colour.UNAVAILABLE, missing="python3.13 is not installed")
    run = World(run_command=lambda purpose, number: gone).heal()
    assert (run.status, run.end.escalation_reason) == (
        RunStatus.ESCALATED,
        "the environment is unavailable: python3.13 is not installed",
    )


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("green", RunStatus.RESOLVED), ("other", RunStatus.ABORTED), ("same", RunStatus.ESCALATED)],
)
def test_infrastructure_is_run_again_and_nothing_else(outcome: str, status: RunStatus) -> None:
    world = World(failure_class=FailureClass.INFRA, rerun=outcome)
    run = world.heal()
    assert run.status is status
    assert world.of(e.CommandRan) == []
    assert len(world.of(e.RerunRequested)) == (2 if outcome == "same" else 1)


def test_reruns_are_off_where_policy_says_so() -> None:
    world = World(failure_class=FailureClass.INFRA, policy=Policy(auto_rerun=False))
    assert world.heal().status is RunStatus.ESCALATED
    assert world.of(e.RerunRequested) == []


def red_everywhere(purpose: Purpose, number: int):
    patched = purpose in (Purpose.SCREEN, Purpose.GREEN)
    return seen(purpose, Colour.GREEN if patched else Colour.RED)


def test_a_broken_base_is_claimed_and_healed_at_its_head() -> None:
    world = World(run_command=red_everywhere, queued=queued(branch="feature"))
    run = world.heal()
    assert (run.status, run.blame.verdict, run.change.target, run.head) == (
        RunStatus.FIXED,
        Blame.BASE,
        "main",
        HEAD,
    )


def test_a_base_that_is_green_at_its_head_five_times_was_healed() -> None:
    def healed(purpose: Purpose, number: int):
        return seen(purpose, Colour.RED if number <= 6 else Colour.GREEN)

    world = World(run_command=healed, queued=queued(branch="feature"))
    run = world.heal()
    assert (run.status, run.end.resolution) == (RunStatus.RESOLVED, "base_healed")
    assert len(world.of(e.CommandRan)) == 5 + 1 + 5


def test_a_second_branch_attaches_to_the_run_that_stands_for_the_base() -> None:
    leader = UUID(int=1)
    world = World(run_command=red_everywhere, queued=queued(branch="feature"), leader=leader)
    run = world.heal()
    assert (run.status, run.cluster.attached_to, run.attempts) == (RunStatus.RUNNING, leader, ())
    world.handle(c.FollowLeader(leader=leader, status=RunStatus.RESOLVED))
    assert world.run.end.resolution == "base_healed"


def test_at_most_three_attempts() -> None:
    def spoiled(purpose: Purpose, number: int):
        return seen(purpose, Colour.RED) if purpose is Purpose.GREEN else always(purpose, number)

    world = World(run_command=spoiled, patches=[x * 64 for x in "pqrstu"])
    run = world.heal()
    assert len(world.of(e.AttemptStarted)) == 3
    assert (run.status, run.end.escalation_reason) == (
        RunStatus.ESCALATED,
        "all 3 attempts are used up",
    )


def test_a_patch_that_is_not_green_once_is_no_attempt() -> None:
    def never(purpose: Purpose, number: int):
        return (
            seen(purpose, Colour.RED, commit=COMMIT)
            if purpose is Purpose.SCREEN
            else always(purpose, number)
        )

    world = World(run_command=never, patches=["p" * 64, "q" * 64])
    assert world.heal().attempts == ()
    assert len(world.of(e.PatchDropped)) == 2


def test_a_moved_head_is_proven_afresh_and_only_there() -> None:
    world = World()
    first = world.heal()
    world.handle(c.RecordHeadMoved(expected=first.head, found=HEAD))
    assert world.run.status is RunStatus.RUNNING
    run = world.heal()
    assert (run.status, run.head, len(run.attempts)) == (RunStatus.FIXED, HEAD, 1)


def test_a_moved_head_that_is_green_without_the_patch_ends_the_run() -> None:
    world = World()
    first = world.heal()
    world.run_command = lambda purpose, number: seen(purpose, Colour.GREEN, commit=HEAD)
    world.handle(c.RecordHeadMoved(expected=first.head, found=HEAD))
    assert world.heal().end.resolution == "green_later"


def test_time_counts_while_running_only_and_ends_the_attempt() -> None:
    world = World(policy=Policy(max_total_duration=5))
    world.handle(c.QueueRun(queued=world.queued))
    for _ in range(8):
        world.step(world.pending.pop(0))
    world.handle(c.PassDeadline())
    assert world.run.status is RunStatus.ESCALATED
    assert world.run.end.escalation_reason.startswith("time is used up")


@pytest.mark.parametrize("back", [timedelta(seconds=4), timedelta(days=2)])
def test_a_deadline_counts_from_what_it_was_set_for_where_the_clock_was_set_back(
    back: timedelta,
) -> None:
    world = World(policy=Policy(max_total_duration=5))
    world.handle(c.QueueRun(queued=world.queued))
    for _ in range(3):
        world.step(world.pending.pop(0))
    timer = next(effect for effect in world.timers if isinstance(effect, f.DeadlineTimer))
    assert world.run.running_since is not None
    world.now = world.run.running_since - back
    assert world.run.seconds_running(world.now) == 0
    world.handle(c.PassDeadline(promised=timer.not_before))
    assert world.run.status is RunStatus.ESCALATED


@pytest.mark.parametrize("odds", [0.1, 0.5, 0.9])
def test_a_planted_flake_is_at_most_once_in_a_thousand_called_proven(odds: float) -> None:
    ends = [
        World(
            run_command=flaky(odds, seed), patches=["p" * 64, "q" * 64, "r" * 64], rerun="same"
        ).heal()
        for seed in range(1000)
    ]
    assert sum(run.evidence is Evidence.PROVEN for run in ends) <= 1
    assert sum(run.end.resolution == "flake" for run in ends) > 300
