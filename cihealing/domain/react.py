"""What facts call for: effects as data. Pure; called once for the facts of one command."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cihealing.domain import effects as f
from cihealing.domain import events as e
from cihealing.domain.plan import Wait, advance
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import RunStatus

IDLE = (e.LateOutcome, e.FailureRecurred, e.FailureRehashed, e.ClusterClosed)
"""Facts that change nothing about what the run does next."""


def react(
    run: RunState, events: Sequence[e.RunEvent], *, policy: Policy, now: datetime
) -> list[tuple[int, f.RunEffect]]:
    """(version of the fact, effect) pairs; `run` is the state after all of `events`.

    What one fact calls for hangs on its version; what the run does next hangs on the last.
    """
    first = run.version - len(events) + 1
    called = [
        (first + i, effect)
        for i, event in enumerate(events)
        for effect in _called_for(run, event, policy, now, first + i)
    ]
    return [*called, *_next(run, events, policy, now)]


def _next(
    run: RunState, events: Sequence[e.RunEvent], policy: Policy, now: datetime
) -> list[tuple[int, f.RunEffect]]:
    if (
        not events
        or run.status is not RunStatus.RUNNING
        or all(isinstance(event, IDLE) for event in events)
    ):
        return []
    following = advance(run, policy=policy, now=now)
    return [] if following is None or isinstance(following, Wait) else [(run.version, following)]


def _called_for(
    run: RunState, event: e.RunEvent, policy: Policy, now: datetime, version: int
) -> list[f.RunEffect]:
    return [*_work(run, event, policy, now, version), *_telling(run, event, policy)]


def _work(
    run: RunState, event: e.RunEvent, policy: Policy, now: datetime, version: int
) -> list[f.RunEffect]:
    match event:
        case e.RunQueued() | e.RunRetried():
            return [f.Classify()]
        case e.RunStarted() | e.HeadMoved():
            return [
                f.DeadlineTimer(
                    not_before=now
                    + timedelta(
                        seconds=max(0.0, policy.max_total_duration - run.seconds_running(now))
                    )
                )
            ]
        case e.RerunRequested(number=number, handle=handle):
            over = now + timedelta(seconds=policy.rerun_timeout)
            return [
                f.CollectRerun(number=number, handle=handle),
                f.RerunTimer(number=number, not_before=over),
            ]
        case e.PatchProven():
            return [
                f.ReviewTimer(version=version, not_before=now + timedelta(days=policy.review_days))
            ]
        case e.Approved(act=act):
            return [
                f.Publish(act=act, patch=run.review.patch, head=run.head, target=run.change.target)
            ]
        case e.RunEscalated():
            told = f.Explain() if explainable(run, policy) else f.WriteReport()
            return [told, *_close(run, "it went unanswered"), *_followers(run)]
        case e.FailureExplained():
            return [f.WriteReport()]
        case e.ReportWritten() if _may_say(run, policy):
            return [f.Say()]
        case _:
            return _of_change(run, event, policy, now)


def _of_change(
    run: RunState, event: e.RunEvent, policy: Policy, now: datetime
) -> list[f.RunEffect]:
    match event:
        case e.ChangePublished(url=url, merged=False):
            return [f.WatchChange(url=url, not_before=now + timedelta(seconds=policy.watch_every))]
        case e.ChangeFailed(reason=reason) | e.ChangeClosed(reason=reason):
            return [f.CloseChange(url=run.change.url, reason=reason)]
        case e.RunResolved(how="human_fix", commit=commit) if commit:
            return [f.CheckHumanFix(commit=commit), *_ended(run, event)]
        case e.RunResolved() | e.RunAborted():
            return _ended(run, event)
        case _:
            return []


def _ended(run: RunState, event: e.RunResolved | e.RunAborted) -> list[f.RunEffect]:
    left = isinstance(event, e.RunAborted) or event.how != "merged"
    return [
        *_followers(run),
        *(
            [f.CloseChange(url=run.change.url, reason=_why(event))]
            if left and _change_left(run)
            else []
        ),
    ]


def _followers(run: RunState) -> list[f.RunEffect]:
    """Who may stand for others: by a claim of this generation, or of one before it, whose followers
    are still attached.
    """
    return [f.ReleaseFollowers()] if run.blame.claimed_base or run.generation > 1 else []


def _why(event: e.RunResolved | e.RunAborted) -> str:
    return (
        f"the run was aborted ({event.reason})"
        if isinstance(event, e.RunAborted)
        else f"it is no longer needed ({event.how})"
    )


def _change_left(run: RunState) -> bool:
    """A change that was opened and never merged."""
    return bool(run.change.url and run.change.commit and not run.change.merged_commit)


def _close(run: RunState, reason: str) -> list[f.RunEffect]:
    return [f.CloseChange(url=run.change.url, reason=reason)] if run.change.open else []


def explainable(run: RunState, policy: Policy) -> bool:
    """Whether a model may be asked what it believes: it was not asked for this generation yet, and
    nobody else stands for the run.
    """
    asked = any(attempt.diagnosis for attempt in run.attempts)
    return policy.allows_ai(run.failure.repository) and not (
        asked
        or run.cluster.leader
        or run.cluster.attached_to
        or run.diagnosis.believed
        or run.patches.refused
    )


def _may_say(run: RunState, policy: Policy) -> bool:
    """Safe mode writes nothing at the forge without a person."""
    return (
        policy.repository(run.failure.repository).say != "nothing"
        and not policy.safe_mode
        and not (run.cluster.leader or run.cluster.attached_to)
    )


def _telling(run: RunState, event: e.RunEvent, policy: Policy) -> list[f.RunEffect]:
    kind = kind_of(event)
    if not kind or run.cluster.leader or run.cluster.attached_to:
        return []
    return [f.Tell(kind=kind, only_update=kind not in policy.chat.tell)]


def kind_of(event: e.RunEvent) -> str:
    """The word of `policy.chat.tell` for what just happened; empty for what people need not hear
    of.
    """
    match event:
        case e.ReportWritten():
            return "escalated"
        case e.PatchProven():
            return "review"
        case e.Approved(by=by) | e.PatchDenied(by=by) if by.kind == "person":
            return "decided"
        case e.ChangePublished(merged=False):
            return "opened"
        case e.RunResolved(how="human_fix"):
            return "decided"
        case e.RunResolved():
            return "resolved"
        case e.RunAborted(reason=reason):
            return "decided" if reason == "person" else "aborted"
        case _:
            return ""
