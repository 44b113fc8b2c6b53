"""What becomes of a run as a whole: its clock, its generations."""

from __future__ import annotations

from typing import assert_never

from cihealing.domain import events as e
from cihealing.domain.run import Run, change
from cihealing.domain.values import RunStatus, Stage


def evolve_life(run: Run, event: e.LifeEvent, envelope: e.Envelope) -> Run:
    match event:
        case e.RunQueued():
            return _queued(run, event)
        case e.RunStarted():
            return change(
                run, status=RunStatus.RUNNING, stage=Stage.READING, running_since=envelope.at
            )
        case e.RunResolved(how=how):
            return change(
                pause(run, envelope), status=RunStatus.RESOLVED, resolution=how, change_open=False
            )
        case e.RunEscalated():
            return _escalated(pause(run, envelope), event)
        case e.RunAborted(reason=reason, successor=successor):
            return change(
                pause(run, envelope),
                status=RunStatus.ABORTED,
                abort_reason=reason,
                successor=successor,
                change_open=False,
            )
        case e.RunRetried():
            return _retried(run, event)
        case e.FailureRecurred():
            return change(run, recurrences=run.recurrences + 1)
        case e.FailureRehashed(error_hash=error_hash, strong=strong):
            return change(run, error_hash=error_hash, strong=strong)
        case e.EffectGaveUp(effect=effect, reason=reason):
            return change(run, notes=(*run.notes, f"{effect} gave up: {reason}"))
        case e.LateOutcome(effect=effect, outcome=outcome):
            return change(run, late=(*run.late, f"{effect}: {outcome}"))
        case _:
            assert_never(event)


FAILURE_FACTS = (
    "provider",
    "repository",
    "branch",
    "commit",
    "job",
    "step",
    "command",
    "pipeline_url",
    "base_branch",
    "fork",
    "execution",
    "error_hash",
    "strong",
    "error_type",
    "summary",
    "failed_tests",
    "rule",
    "failure",
    "log",
    "log_missing",
)
"""What the failure is: told once, and the same in every generation."""


def _queued(run: Run, event: e.RunQueued) -> Run:
    facts = {name: getattr(event, name) for name in FAILURE_FACTS}
    more = {
        "policy": event.policy,
        "inherited_patch": event.inherited_patch,
        "ci_greens": event.greens,
    }
    return change(
        run, **facts, **more, failed_at=event.finished_at, head=event.commit, target=event.branch
    )


def pause(run: Run, envelope: e.Envelope) -> Run:
    """The run leaves `running`: its clock stops."""
    return change(run, ran_seconds=run.seconds_running(envelope.at), running_since=None)


def _escalated(run: Run, event: e.RunEscalated) -> Run:
    return change(
        run,
        status=RunStatus.ESCALATED,
        stage=Stage.ESCALATION,
        escalation_reason=event.reason,
        owner=event.owner or run.owner,
        report=event.report,
        candidate=None,
    )


KEPT = (
    *FAILURE_FACTS,
    "failed_at",
    "ci_greens",
    "version",
    "created_at",
    "updated_at",
    "refused_patches",
    "recurrences",
    "late",
    "asked",
    "changes",
)


def _retried(run: Run, event: e.RunRetried) -> Run:
    """A new generation: what the failure is stays, what was tried is history, refused patches stay
    refused.
    """
    kept = {name: getattr(run, name) for name in KEPT}
    past = (*run.past_attempts, *run.attempts)
    fresh = change(
        Run(id=run.id), **kept, generation=event.generation, policy=event.policy, past_attempts=past
    )
    return change(fresh, head=run.commit, target=run.branch)
