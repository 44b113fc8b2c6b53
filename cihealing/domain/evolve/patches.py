"""Patches, what models were asked for them, attempts and proofs."""

from __future__ import annotations

from functools import reduce
from typing import assert_never

from cihealing.domain import events as e
from cihealing.domain.evolve.findings import believed
from cihealing.domain.evolve.life import pause
from cihealing.domain.run import AttemptState, Candidate, PastCall, RunState, change, noted
from cihealing.domain.values import AttemptStatus, Evidence, Purpose, RunStatus, Stage, Usage


def evolve_model(run: RunState, event: e.ModelEvent, envelope: e.Envelope) -> RunState:
    match event:
        case e.ModelAsked():
            asked = (*run.models.asked, _asked(run, event, envelope))
            return change(run, models=change(run.models, asked=asked))
        case e.ModelPaused(until=until, reason=reason):
            note = f"model: {reason}"
            paused = change(run.models, pauses=run.models.pauses + 1, not_before=until)
            plan = run.plan if note in run.plan.notes else noted(run, note)
            return change(run, models=paused, plan=plan)
        case e.BudgetRefused(reason=reason):
            return change(run, plan=noted(run, f"budget: {reason}"))
        case e.FailureExplained(diagnosis=diagnosis, reason=reason):
            plan = noted(run, f"model: {reason}") if reason else run.plan
            return change(run, diagnosis=believed(run, diagnosis), plan=plan)
        case _:
            assert_never(event)


def _asked(run: RunState, event: e.ModelAsked, envelope: e.Envelope) -> PastCall:
    return PastCall(
        number=event.number,
        provider=event.provider,
        model=event.model,
        outcome=event.outcome,
        prompt=event.prompt,
        answer=event.answer,
        problem=event.problem,
        region=event.region,
        usage=event.usage,
        generation=run.generation,
        at=envelope.at,
    )


def evolve_patch(run: RunState, event: e.PatchEvent, envelope: e.Envelope) -> RunState:
    match event:
        case e.PatchFound():
            found = Candidate(
                fixer=event.fixer, told=event.told, patch=event.patch, objections=event.objections
            )
            patches = change(
                run.patches,
                candidate=found,
                tried=(*run.patches.tried, event.patch),
                fixers=(*run.patches.fixers, event.fixer),
            )
            return change(run, stage=Stage.REMEDIATION, patches=patches)
        case e.PatchDropped(fixer=fixer, reason=reason):
            patches = change(run.patches, candidate=None)
            return change(run, patches=patches, plan=noted(run, f"{fixer}: {reason}"))
        case e.AttemptStarted():
            return _attempt(run, event, envelope)
        case e.AttemptFailed():
            return _attempt_failed(run, event, envelope)
        case e.PatchProven():
            return _proven(run, event, envelope)
        case _:
            assert_never(event)


def _attempt(run: RunState, event: e.AttemptStarted, envelope: e.Envelope) -> RunState:
    screens = tuple(
        s for s in run.local.observations if s.purpose is Purpose.SCREEN and s.patch == event.patch
    )
    candidate, tried = run.patches.candidate, run.patches.tried
    screened = candidate.objections if candidate else ()
    soft = event.needs_person or tuple(o.text for o in screened)
    attempt = AttemptState(
        number=event.number,
        status=AttemptStatus.RUNNING,
        diagnoser=event.diagnoser,
        patch=event.patch,
        proposed_fix=event.proposed_fix,
        head=run.head,
        observations=screens,
        needs_person=soft,
        objections=event.objections or screened,
        diagnosis=event.diagnosis,
        usage=_asked_for(run, event.number),
        started_at=envelope.at,
        generation=run.generation,
    )
    if event.patch not in ("", *tried):
        tried = (*tried, event.patch)
    return change(
        run,
        stage=Stage.PROOF,
        attempts=(*run.attempts, attempt),
        patches=change(run.patches, candidate=None, tried=tried),
        models=change(run.models, pauses=0, not_before=None),
    )


def _asked_for(run: RunState, number: int) -> Usage:
    """What the calls for an attempt of this generation took."""
    mine = (
        a.usage for a in run.models.asked if a.number == number and a.generation == run.generation
    )
    return reduce(Usage.plus, mine, Usage())


def _spent(run: RunState, usage: Usage) -> Usage:
    """The calls of the latest attempt and its proof."""
    return run.attempts[-1].usage.plus(usage) if run.attempts else usage


def _attempt_failed(run: RunState, event: e.AttemptFailed, envelope: e.Envelope) -> RunState:
    return change(
        last(
            run,
            status=AttemptStatus.FAILED,
            failure_reason=event.reason,
            usage=_spent(run, event.usage),
            finished_at=envelope.at,
        ),
        stage=Stage.REMEDIATION,
    )


def _proven(run: RunState, event: e.PatchProven, envelope: e.Envelope) -> RunState:
    moved = last(
        pause(run, envelope),
        status=AttemptStatus.SUCCEEDED,
        proof=event.proof,
        usage=_spent(run, event.usage),
        finished_at=envelope.at,
    )
    return change(
        moved,
        status=RunStatus.FIXED,
        stage=Stage.REVIEW,
        review=change(run.review, patch=event.patch, proof=event.proof, proven_at=run.version + 1),
        change=change(run.change, target=event.target),
        evidence=Evidence.PROVEN,
    )


def last(run: RunState, **fields: object) -> RunState:
    if not run.attempts:
        return run
    return change(run, attempts=(*run.attempts[:-1], change(run.attempts[-1], **fields)))
