"""What models were asked, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.decide.patches import refusal_of
from cihealing.domain.events import Events
from cihealing.domain.run import RunState
from cihealing.domain.values import RunStatus


def _calls(number: int, calls: Sequence[c.ModelCall]) -> list[e.RunEvent]:
    return [
        e.ModelAsked(
            number=number,
            provider=call.provider,
            model=call.model,
            region=call.region,
            prompt=call.prompt,
            prompt_version=call.prompt_version,
            answer=call.answer,
            outcome=call.outcome,
            problem=call.problem,
            usage=call.usage,
            cached_tokens=call.cached_tokens,
        )
        for call in calls
    ]


def answered(run: RunState, command: c.RecordAnswer) -> Events:
    calls = _calls(command.number, command.calls)
    if run.proving or command.number != len(run.attempts) + 1:
        return calls
    started = e.AttemptStarted(
        number=command.number,
        diagnoser=command.diagnoser,
        patch=command.patch,
        proposed_fix=command.proposed_fix,
        diagnosis=command.diagnosis,
        needs_person=tuple(o.text for o in command.objections if not o.hard),
        objections=command.objections,
    )
    refusal = command.reason or refusal_of(run, command.patch, command.objections)
    return [
        *calls,
        started,
        *([e.AttemptFailed(number=command.number, reason=refusal)] if refusal else []),
    ]


MAX_PAUSES = 5
"""How often in a row nobody may answer before the run goes on without a model."""


def unanswered(run: RunState, command: c.RecordNoAnswer, now: datetime) -> Events:
    calls = _calls(command.number, command.calls)
    if command.budget:
        refused = e.BudgetRefused(scope=command.budget, reason=command.reason)
        return [*calls, refused, e.StepSkipped(step="model", reason=command.reason)]
    if command.delay is None or run.models.pauses >= MAX_PAUSES:
        return [*calls, e.StepSkipped(step="model", reason=command.reason)]
    return [
        *calls,
        e.ModelPaused(reason=command.reason, until=now + timedelta(seconds=command.delay)),
    ]


def explained(run: RunState, command: c.RecordExplanation) -> Events:
    if run.status is not RunStatus.ESCALATED:
        return _calls(0, command.calls)
    return [
        *_calls(0, command.calls),
        e.FailureExplained(diagnosis=command.diagnosis, reason=command.reason),
    ]
