"""Begin, recur, follow, run out of time: what becomes of a run as a whole."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.events import Events
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import SERVICE, Blame, ExecutionRef, FailureClass, RunStatus

HEALABLE = (RunStatus.QUEUED, RunStatus.RUNNING)
OPEN = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.FIXED, RunStatus.ESCALATED)
ENDED = (RunStatus.RESOLVED, RunStatus.ABORTED)


def life_of(run: RunState, command: c.LifeCommand, policy: Policy, now: datetime) -> Events:
    match command:
        case c.QueueRun(queued=queued):
            return [] if run.exists else [queued]
        case c.Recur(execution=execution):
            return [e.FailureRecurred(execution=execution)] if run.status in ENDED else []
        case c.Rehash(error_hash=error_hash, strong=strong):
            known = (run.failure.error_hash, run.failure.strong) == (error_hash, strong)
            return (
                []
                if known or not run.exists
                else [e.FailureRehashed(error_hash=error_hash, strong=strong)]
            )
        case c.Supersede(successor=successor):
            return (
                [e.RunAborted(reason="superseded", by=SERVICE, successor=successor)]
                if run.open
                else []
            )
        case c.GreenLater(commit=commit):
            note = f"the job is green on {commit[:12]}"
            green = e.RunResolved(how="green_later", by=SERVICE, note=note)
            return [green] if run.status is RunStatus.ESCALATED else []
        case c.SeeGreenRerun(execution=execution):
            return _green_rerun(run, execution)
        case c.Allow(note=note):
            allowed = e.RunAborted(reason="allowed", by=SERVICE, note=note)
            return [allowed] if run.open else []
        case c.CloseCluster():
            return [e.ClusterClosed()] if run.cluster.leads else []
        case c.FollowLeader():
            return _follow(run, command)
        case c.PassDeadline(promised=promised):
            return _deadline(run, policy, max(now, promised or now))
        case c.ExpireReview(version=version):
            return _unanswered(run, version)
        case c.GiveUp():
            return _give_up(run, command)
        case _:
            assert_never(command)


def _green_rerun(run: RunState, execution: ExecutionRef) -> Events:
    """Where nobody works on it any more it is over; a proven patch waits for its person."""
    seen = e.GreenRerunSeen(execution=execution)
    if not run.open or seen.note in run.plan.notes:
        return []
    if run.status is not RunStatus.ESCALATED:
        return [seen]
    infra = run.diagnosis.failure_class is FailureClass.INFRA
    reason = "the same job was green on a rerun of the same commit"
    blamed = e.BlameFound(blame=Blame.INFRA if infra else Blame.FLAKE, reason=reason)
    return [seen, blamed, e.RunResolved(how="rerun_green", by=SERVICE, note=reason)]


def _unanswered(run: RunState, version: int) -> Events:
    waits = run.status is RunStatus.FIXED and not run.review.approved_by
    if not waits or run.review.proven_at != version:
        return []
    return [e.RunEscalated(reason="the review went unanswered", owner=run.blame.owner)]


def _follow(run: RunState, command: c.FollowLeader) -> Events:
    """Where the leader stopped, its followers stop: nobody else works on what broke them."""
    if run.cluster.attached_to != command.leader or not run.open:
        return []
    match command.status:
        case RunStatus.RESOLVED:
            return [e.RunResolved(how="base_healed", by=SERVICE, note="the base branch was healed")]
        case RunStatus.ABORTED:
            note = "the run it was attached to was aborted"
            return [e.RunAborted(reason="leader", by=SERVICE, successor=command.leader, note=note)]
        case RunStatus.ESCALATED:
            return escalated_with_leader(run) if run.status is RunStatus.RUNNING else []
        case _:
            return []


def escalated_with_leader(run: RunState) -> Events:
    reason = (
        "the base branch is broken in the same way, and the run that stands for it needs a person"
    )
    return [e.RunEscalated(reason=reason, owner=run.blame.owner)]


def _deadline(run: RunState, policy: Policy, now: datetime) -> Events:
    late = (
        run.status is RunStatus.RUNNING
        and not run.cluster.attached_to
        and run.seconds_running(now) >= policy.max_total_duration
    )
    reason = (
        f"time is used up: {run.seconds_running(now):.0f} s of {policy.max_total_duration:.0f} s"
    )
    return (
        [*end_attempt(run, "time is used up"), e.RunEscalated(reason=reason, owner=run.blame.owner)]
        if late
        else []
    )


def end_attempt(run: RunState, reason: str) -> Events:
    return [e.AttemptFailed(number=run.proving.number, reason=reason)] if run.proving else []


def _give_up(run: RunState, command: c.GiveUp) -> Events:
    if not run.open:
        return []
    gave_up = e.EffectGaveUp(effect=command.effect, reason=command.reason)
    if run.status is RunStatus.ESCALATED:
        return [gave_up]
    reason = f"{command.effect} gave up: {command.reason}"
    return [
        gave_up,
        *end_attempt(run, reason),
        e.RunEscalated(reason=reason, owner=run.blame.owner),
    ]
