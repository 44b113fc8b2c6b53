"""What was found out about a failure."""

from __future__ import annotations

from typing import assert_never

import msgspec

from cihealing.domain import events as e
from cihealing.domain.run import Attempt, Candidate, Run, Seen, change
from cihealing.domain.values import Blame, Colour, Evidence, Purpose, Stage


def evolve_finding(run: Run, event: e.FindingEvent, envelope: e.Envelope) -> Run:
    match event:
        case e.FailureClassified():
            return _classified(run, event)
        case e.ProjectFound():
            return _project(run, event)
        case e.CommandRan():
            return _ran(run, event, envelope)
        case e.FailureReproduced(how=how):
            return change(run, reproduced=how, evidence=Evidence.REPRODUCED)
        case e.FailureNotReproduced(reason=reason):
            return change(run, not_reproduced=reason, evidence=Evidence.NOT_REPRODUCED)
        case e.EnvironmentUnavailable(missing=missing):
            return change(run, unavailable=missing)
        case e.FlakeProven(reds=reds, greens=greens, where=where):
            note = f"flake: {reds} red and {greens} green of one tree in {where}"
            red_here = any(o.colour is Colour.RED for o in run.unpatched())
            evidence = Evidence.REPRODUCED if red_here else Evidence.NOT_REPRODUCED
            return change(
                run,
                blame=Blame.FLAKE,
                blame_reason=note,
                evidence=evidence,
                notes=(*run.notes, note),
            )
        case e.ContextCollected(log=log):
            return change(run, context=log, skipped=(*run.skipped, "debug"))
        case e.StepSkipped(step=step, reason=reason):
            return change(
                run, skipped=(*run.skipped, step), notes=(*run.notes, f"{step}: {reason}")
            )
        case e.ReportWritten(report=report, owner=owner, diagnosis=diagnosis):
            return change(
                run, report=report, owner=run.owner or owner, diagnosis=diagnosis or run.diagnosis
            )
        case _:
            assert_never(event)


def _classified(run: Run, event: e.FailureClassified) -> Run:
    return change(
        run,
        stage=Stage.DIAGNOSIS,
        failure_class=event.failure_class,
        confidence=event.confidence,
        signs=event.signs,
        steps=event.steps,
    )


def _project(run: Run, event: e.ProjectFound) -> Run:
    return change(
        run,
        project_command=event.command,
        project_workdir=event.workdir,
        project_source=event.source,
        project_reason=event.reason,
        project=event.project,
    )


def _ran(run: Run, event: e.CommandRan, envelope: e.Envelope) -> Run:
    seen = Seen(purpose=event.purpose, seen=event.seen, at=envelope.at, patch=event.patch)
    if event.attempt:
        attempts = tuple(_with(a, seen) if a.number == event.attempt else a for a in run.attempts)
        return change(run, attempts=attempts, stage=Stage.PROOF)
    first_red = (
        event.seen.error_hash
        if event.seen.colour is Colour.RED and event.purpose is Purpose.REPRODUCE
        else ""
    )
    return change(
        run,
        observations=(*run.observations, seen),
        local_hash=run.local_hash or first_red,
        candidate=_screened(run, event),
    )


def _with(attempt: Attempt, seen: Seen) -> Attempt:
    return msgspec.structs.replace(attempt, observations=(*attempt.observations, seen))


def _screened(run: Run, event: e.CommandRan) -> Candidate | None:
    if run.candidate and event.purpose is Purpose.SCREEN:
        return msgspec.structs.replace(run.candidate, screened=True)
    return run.candidate
