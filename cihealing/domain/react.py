"""What facts call for: effects as data. Pure; called once for the facts of one command."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cihealing.domain import effects as f
from cihealing.domain import events as e
from cihealing.domain.plan import Wait, advance
from cihealing.domain.policy import Policy
from cihealing.domain.run import Run
from cihealing.domain.values import RunStatus


def react(run: Run, events: Sequence[e.RunEvent], *, policy: Policy, now: datetime) -> list[tuple[int, f.RunEffect]]:
    """(version of the fact, effect) pairs; `run` is the state after all of `events`.

    What one fact calls for hangs on its version; what the run does next hangs on the last.
    """
    first = run.version - len(events) + 1
    called = [(first + i, effect) for i, event in enumerate(events) for effect in _called_for(run, event, policy, now, first + i)]
    return [*called, *_next(run, events, policy, now)]


def _next(run: Run, events: Sequence[e.RunEvent], policy: Policy, now: datetime) -> list[tuple[int, f.RunEffect]]:
    if (
        not events
        or run.status is not RunStatus.RUNNING
        or all(isinstance(event, e.LateOutcome | e.FailureRecurred | e.FailureRehashed) for event in events)
    ):
        return []
    following = advance(run, policy=policy, now=now)
    return [] if following is None or isinstance(following, Wait) else [(run.version, following)]  # type: ignore[list-item]


def _called_for(run: Run, event: e.RunEvent, policy: Policy, now: datetime, version: int) -> list[f.RunEffect]:
    match event:
        case e.RunQueued() | e.RunRetried():
            return [f.Classify()]
        case e.RunStarted() | e.HeadMoved():
            return [f.DeadlineTimer(not_before=now + timedelta(seconds=max(0.0, policy.max_total_duration - run.seconds_running(now))))]
        case e.RerunRequested(number=number, handle=handle):
            over = now + timedelta(seconds=policy.rerun_timeout)
            return [f.CollectRerun(number=number, handle=handle), f.RerunTimer(number=number, not_before=over)]
        case e.PatchProven():
            return [f.ReviewTimer(version=version, not_before=now + timedelta(days=policy.review_days))]
        case e.Approved(act=act):
            return [f.Publish(act=act, patch=run.patch, head=run.head, target=run.target)]
        case e.RunEscalated():
            return [f.WriteReport()]
        case e.RunResolved() | e.RunAborted() if run.claimed_base:
            return [f.ReleaseFollowers(how=str(run.status))]
        case _:
            return []
