"""What becomes of a run as a whole: its clock, its generations."""

from __future__ import annotations

from typing import assert_never

from cihealing.domain import events as e
from cihealing.domain.run import (
    RunChange,
    RunEnd,
    RunFailure,
    RunModels,
    RunPatches,
    RunState,
    change,
    noted,
)
from cihealing.domain.values import RunStatus, Stage


def evolve_life(run: RunState, event: e.LifeEvent, envelope: e.Envelope) -> RunState:
    match event:
        case e.RunQueued():
            return _queued(run, event)
        case e.RunStarted():
            return change(
                run, status=RunStatus.RUNNING, stage=Stage.READING, running_since=envelope.at
            )
        case e.RunResolved(how=how):
            return _over(run, envelope, RunStatus.RESOLVED, change(run.end, resolution=how))
        case e.RunEscalated():
            return _escalated(pause(run, envelope), event)
        case e.RunAborted(reason=reason, successor=successor):
            end = change(run.end, abort_reason=reason, successor=successor)
            return _over(run, envelope, RunStatus.ABORTED, end)
        case e.RunRetried():
            return _retried(run, event)
        case e.GreenRerunSeen():
            seen = change(run.failure, greens=run.failure.greens + 1)
            return change(run, failure=seen, plan=noted(run, event.note))
        case e.FailureRecurred():
            return change(run, recurrences=run.recurrences + 1)
        case e.FailureRehashed(error_hash=error_hash, strong=strong):
            failure = change(run.failure, error_hash=error_hash, strong=strong)
            return change(run, failure=failure)
        case e.EffectGaveUp(effect=effect, reason=reason):
            return change(run, plan=noted(run, f"{effect} gave up: {reason}"))
        case e.LateOutcome(effect=effect, outcome=outcome):
            return change(run, late=(*run.late, f"{effect}: {outcome}"))
        case _:
            assert_never(event)


FAILURE_FACTS = tuple(
    name for name in RunFailure.__struct_fields__ if name in e.RunQueued.__struct_fields__
)


def _queued(run: RunState, event: e.RunQueued) -> RunState:
    told = {name: getattr(event, name) for name in FAILURE_FACTS}
    failure = RunFailure(**told, failed_at=event.finished_at, artifact=event.failure)
    return change(
        run,
        policy=event.policy,
        inherited_patch=event.inherited_patch,
        failure=failure,
        head=failure.commit,
        change=change(run.change, target=failure.target),
    )


def _over(run: RunState, envelope: e.Envelope, status: RunStatus, end: RunEnd) -> RunState:
    closed = change(run.change, open=False)
    return change(pause(run, envelope), status=status, end=end, change=closed)


def pause(run: RunState, envelope: e.Envelope) -> RunState:
    """The run leaves `running`: its clock stops."""
    return change(run, ran_seconds=run.seconds_running(envelope.at), running_since=None)


def _escalated(run: RunState, event: e.RunEscalated) -> RunState:
    return change(
        run,
        status=RunStatus.ESCALATED,
        stage=Stage.ESCALATION,
        end=change(run.end, escalation_reason=event.reason, report=event.report),
        blame=change(run.blame, owner=event.owner or run.blame.owner),
        patches=change(run.patches, candidate=None),
    )


def _retried(run: RunState, event: e.RunRetried) -> RunState:
    """A new generation: what the failure is stays, what was tried is history, refused patches stay
    refused.
    """
    return RunState(
        id=run.id,
        version=run.version,
        created_at=run.created_at,
        updated_at=run.updated_at,
        recurrences=run.recurrences,
        late=run.late,
        failure=run.failure,
        patches=RunPatches(refused=run.patches.refused),
        models=RunModels(asked=run.models.asked),
        change=RunChange(opened=run.change.opened, target=run.failure.target),
        generation=event.generation,
        policy=event.policy,
        past_attempts=(*run.past_attempts, *run.attempts),
        head=run.failure.commit,
    )
