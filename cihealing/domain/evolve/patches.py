"""Patches, what models were asked for them, attempts and proofs."""

from __future__ import annotations

from functools import reduce
from typing import assert_never

import msgspec

from cihealing.domain import events as e
from cihealing.domain.evolve.life import pause
from cihealing.domain.run import Asked, Attempt, Candidate, Run, change
from cihealing.domain.values import AttemptStatus, Evidence, Purpose, RunStatus, Stage, Usage


def evolve_model(run: Run, event: e.ModelEvent, envelope: e.Envelope) -> Run:
    match event:
        case e.ModelAsked():
            return change(run, asked=(*run.asked, _asked(run, event, envelope)))
        case e.ModelPaused(until=until, reason=reason):
            note = f"model: {reason}"
            notes = run.notes if note in run.notes else (*run.notes, note)
            return change(
                run, model_pauses=run.model_pauses + 1, model_not_before=until, notes=notes
            )
        case e.BudgetRefused(reason=reason):
            return change(run, notes=(*run.notes, f"budget: {reason}"))
        case e.FailureExplained(diagnosis=diagnosis, reason=reason):
            notes = (*run.notes, f"model: {reason}") if reason else run.notes
            return change(run, diagnosis=diagnosis or run.diagnosis, notes=notes)
        case _:
            assert_never(event)


def _asked(run: Run, event: e.ModelAsked, envelope: e.Envelope) -> Asked:
    return Asked(
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


def evolve_patch(run: Run, event: e.PatchEvent, envelope: e.Envelope) -> Run:
    match event:
        case e.PatchFound():
            found = Candidate(
                fixer=event.fixer, told=event.told, patch=event.patch, objections=event.objections
            )
            return change(
                run,
                stage=Stage.REMEDIATION,
                candidate=found,
                tried_patches=(*run.tried_patches, event.patch),
                tried_fixers=(*run.tried_fixers, event.fixer),
            )
        case e.PatchDropped(fixer=fixer, reason=reason):
            return change(run, candidate=None, notes=(*run.notes, f"{fixer}: {reason}"))
        case e.AttemptStarted():
            return _attempt(run, event, envelope)
        case e.AttemptFailed():
            return _attempt_failed(run, event, envelope)
        case e.PatchProven():
            return _proven(run, event, envelope)
        case _:
            assert_never(event)


def _attempt(run: Run, event: e.AttemptStarted, envelope: e.Envelope) -> Run:
    screens = tuple(
        s for s in run.observations if s.purpose is Purpose.SCREEN and s.patch == event.patch
    )
    soft = event.needs_person or (
        tuple(o.text for o in run.candidate.objections) if run.candidate else ()
    )
    attempt = Attempt(
        number=event.number,
        status=AttemptStatus.RUNNING,
        diagnoser=event.diagnoser,
        patch=event.patch,
        proposed_fix=event.proposed_fix,
        head=run.head,
        observations=screens,
        needs_person=soft,
        objections=event.objections or (run.candidate.objections if run.candidate else ()),
        diagnosis=event.diagnosis,
        usage=_asked_for(run, event.number),
        started_at=envelope.at,
        generation=run.generation,
    )
    tried = (
        run.tried_patches
        if event.patch in ("", *run.tried_patches)
        else (*run.tried_patches, event.patch)
    )
    return change(
        run,
        stage=Stage.PROOF,
        candidate=None,
        attempts=(*run.attempts, attempt),
        tried_patches=tried,
        model_pauses=0,
        model_not_before=None,
    )


def _asked_for(run: Run, number: int) -> Usage:
    """What the calls for an attempt of this generation took."""
    mine = (a.usage for a in run.asked if a.number == number and a.generation == run.generation)
    return reduce(Usage.plus, mine, Usage())


def _spent(run: Run, usage: Usage) -> Usage:
    """The calls of the latest attempt and its proof."""
    return run.attempts[-1].usage.plus(usage) if run.attempts else usage


def _attempt_failed(run: Run, event: e.AttemptFailed, envelope: e.Envelope) -> Run:
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


def _proven(run: Run, event: e.PatchProven, envelope: e.Envelope) -> Run:
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
        patch=event.patch,
        proof=event.proof,
        proven_at=run.version + 1,
        target=event.target,
        evidence=Evidence.PROVEN,
    )


def last(run: Run, **fields: object) -> Run:
    if not run.attempts:
        return run
    return change(
        run, attempts=(*run.attempts[:-1], msgspec.structs.replace(run.attempts[-1], **fields))
    )
