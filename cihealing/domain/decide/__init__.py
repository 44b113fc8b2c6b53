"""What a command may make happen: facts, or a refusal. Pure; the only place where transitions are
allowed or not.
"""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from typing import assert_never

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.decide.blame import blamed, reran
from cihealing.domain.decide.changes import published
from cihealing.domain.decide.findings import classified, observed, project_found, reported
from cihealing.domain.decide.life import HEALABLE, life_of
from cihealing.domain.decide.models import answered, explained, unanswered
from cihealing.domain.decide.patches import judged, patched
from cihealing.domain.decide.people import by_person
from cihealing.domain.events import Events
from cihealing.domain.evolve import evolve
from cihealing.domain.plan import advance, why_escalated
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import SERVICE, Blame, FailureClass, RunStatus


def decide(
    run: RunState, command: c.RunCommand, *, policy: Policy, now: datetime
) -> list[e.RunEvent]:
    """The facts this command makes, in order; empty where it has nothing to add. Raises Refused,
    Stale.
    """
    events = list(_decide(run, command, policy, now))
    after = preview(run, events, now)
    exhausted = (
        bool(events)
        and after.status is RunStatus.RUNNING
        and advance(after, policy=policy, now=now) is None
    )
    return [*events, *_exhausted(after, policy)] if exhausted else events


def preview(run: RunState, events: Events, now: datetime) -> RunState:
    """The state these facts would lead to."""
    return reduce(
        evolve,
        (e.Envelope(event=event, at=now, actor=SERVICE, source="preview") for event in events),
        run,
    )


def _exhausted(run: RunState, policy: Policy) -> Events:
    infra = run.diagnosis.failure_class is FailureClass.INFRA and run.blame.verdict is None
    blame: Events = (
        [
            e.BlameFound(
                blame=Blame.INFRA,
                reason="the log names the infrastructure, and reruns met it again",
            )
        ]
        if infra
        else []
    )
    return [*blame, e.RunEscalated(reason=why_escalated(run, policy), owner=run.blame.owner)]


def _decide(run: RunState, command: c.RunCommand, policy: Policy, now: datetime) -> Events:
    if isinstance(command, c.LifeCommand):
        return life_of(run, command, policy, now)
    if isinstance(command, c.PublishCommand):
        return published(run, command, policy)
    if isinstance(command, c.PersonCommand):
        return by_person(run, command, policy)
    return _outcome(run, command, policy, now)


def _outcome(run: RunState, command: c.OutcomeCommand, policy: Policy, now: datetime) -> Events:
    if isinstance(command, c.RecordReport):
        return reported(run, command)
    if isinstance(command, c.RecordExplanation):
        return explained(run, command)
    if run.status not in HEALABLE:
        # the run was ended or escalated while the effect ran: its outcome changes nothing
        return []
    match command:
        case c.RecordClass():
            return classified(run, command)
        case c.RecordProject():
            return [] if run.project.command else [project_found(command)]
        case c.RecordObservation():
            return observed(run, command, policy)
        case c.RecordAnswer():
            return answered(run, command)
        case c.RecordNoAnswer():
            return unanswered(run, command, now)
        case c.RecordBlame():
            return blamed(run, command)
        case c.RecordRerun() | c.RecordRerunFinished() | c.LoseRerun():
            return reran(run, command)
        case c.RecordPatch():
            return patched(run, command)
        case c.SkipStep(step=step, reason=reason):
            return [] if step in run.plan.skipped else [e.StepSkipped(step=step, reason=reason)]
        case c.RecordProof():
            return judged(run, command, policy)
        case _:
            assert_never(command)
