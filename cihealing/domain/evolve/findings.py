"""What was found out about a failure."""

from __future__ import annotations

from typing import assert_never

from cihealing.domain import events as e
from cihealing.domain.run import (
    AttemptState,
    RunDiagnosis,
    RunPatches,
    RunProject,
    RunState,
    Seen,
    change,
    noted,
)
from cihealing.domain.values import Blame, Colour, Diagnosis, Evidence, Purpose, Stage


def evolve_finding(run: RunState, event: e.FindingEvent, envelope: e.Envelope) -> RunState:
    match event:
        case e.FailureClassified():
            return _classified(run, event)
        case e.ProjectFound():
            return _project(run, event)
        case e.CommandRan():
            return _ran(run, event, envelope)
        case e.FailureReproduced(how=how):
            local = change(run.local, reproduced=how)
            return change(run, local=local, evidence=Evidence.REPRODUCED)
        case e.FailureNotReproduced(reason=reason):
            local = change(run.local, not_reproduced=reason)
            return change(run, local=local, evidence=Evidence.NOT_REPRODUCED)
        case e.EnvironmentUnavailable(missing=missing):
            return change(run, local=change(run.local, unavailable=missing))
        case e.FlakeProven(reds=reds, greens=greens, where=where):
            return _flaky(run, f"flake: {reds} red and {greens} green of one tree in {where}")
        case e.ContextCollected(log=log):
            collected = change(run, local=change(run.local, context=log))
            return change(collected, plan=change(run.plan, skipped=_over(run, "debug")))
        case e.StepSkipped(step=step, reason=reason):
            return change(
                run, plan=change(noted(run, f"{step}: {reason}"), skipped=_over(run, step))
            )
        case e.ReportWritten(report=report, owner=owner, diagnosis=diagnosis):
            return change(
                run,
                end=change(run.end, report=report),
                blame=change(run.blame, owner=run.blame.owner or owner),
                diagnosis=believed(run, diagnosis),
            )
        case _:
            assert_never(event)


def _classified(run: RunState, event: e.FailureClassified) -> RunState:
    found = change(
        run.diagnosis,
        failure_class=event.failure_class,
        confidence=event.confidence,
        signs=event.signs,
    )
    return change(
        run, stage=Stage.DIAGNOSIS, diagnosis=found, plan=change(run.plan, steps=event.steps)
    )


def _flaky(run: RunState, note: str) -> RunState:
    red_here = any(o.colour is Colour.RED for o in run.unpatched())
    return change(
        run,
        blame=change(run.blame, verdict=Blame.FLAKE, reason=note),
        evidence=Evidence.REPRODUCED if red_here else Evidence.NOT_REPRODUCED,
        plan=noted(run, note),
    )


def _over(run: RunState, step: str) -> tuple[str, ...]:
    return (*run.plan.skipped, step)


def believed(run: RunState, diagnosis: Diagnosis | None) -> RunDiagnosis:
    """Its diagnosis with what a model believes now, or as it was where that is nothing."""
    return change(run.diagnosis, believed=diagnosis or run.diagnosis.believed)


def _project(run: RunState, event: e.ProjectFound) -> RunState:
    found = RunProject(
        command=event.command,
        workdir=event.workdir,
        source=event.source,
        reason=event.reason,
        artifact=event.project,
    )
    return change(run, project=found)


def _ran(run: RunState, event: e.CommandRan, envelope: e.Envelope) -> RunState:
    seen = Seen(purpose=event.purpose, seen=event.seen, at=envelope.at, patch=event.patch)
    if event.attempt:
        attempts = tuple(_with(a, seen) if a.number == event.attempt else a for a in run.attempts)
        return change(run, attempts=attempts, stage=Stage.PROOF)
    first_red = (
        event.seen.error_hash
        if event.seen.colour is Colour.RED and event.purpose is Purpose.REPRODUCE
        else ""
    )
    local = change(
        run.local, observations=(*run.local.observations, seen), hash=run.local.hash or first_red
    )
    return change(run, local=local, patches=_screened(run, event))


def _with(attempt: AttemptState, seen: Seen) -> AttemptState:
    return change(attempt, observations=(*attempt.observations, seen))


def _screened(run: RunState, event: e.CommandRan) -> RunPatches:
    candidate = run.patches.candidate
    if candidate is None or event.purpose is not Purpose.SCREEN:
        return run.patches
    return change(run.patches, candidate=change(candidate, screened=True))
