"""Whose failure it is: the change's, the base branch's, the machines', or nobody's."""

from __future__ import annotations

from typing import assert_never

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.decide.life import escalated_with_leader
from cihealing.domain.events import Events
from cihealing.domain.run import RunState, sameness
from cihealing.domain.values import (
    SERVICE,
    Blame,
    Colour,
    FailureClass,
    Observation,
    Purpose,
    RunStatus,
)


def blamed(run: RunState, command: c.RecordBlame) -> Events:
    if run.blame.verdict is not None:
        return []
    seen = command.seen
    ran: Events = [e.CommandRan(purpose=Purpose.BASE, seen=seen)] if seen else []
    blame = _blame_of(run, seen)
    found = e.BlameFound(
        blame=blame,
        reason=command.reason,
        base_commit=seen.commit if seen else "",
        owner=command.owner,
    )
    claim = _claim(run, command) if blame is Blame.BASE else []
    return [*ran, found, *claim]


def _blame_of(run: RunState, seen: Observation | None) -> Blame:
    if seen is None:
        return Blame.UNKNOWN
    if seen.colour is Colour.GREEN:
        return Blame.CHANGE
    return Blame.BASE if sameness(run, seen) else Blame.UNKNOWN


def _claim(run: RunState, command: c.RecordBlame) -> Events:
    if command.leader and command.leader != run.id:
        stopped = command.leader_status is RunStatus.ESCALATED
        return [
            e.AttachedToBase(leader=command.leader),
            *(escalated_with_leader(run) if stopped else []),
        ]
    return (
        [e.BaseClaimed(branch=command.target, head=command.head)]
        if command.target and command.head
        else []
    )


def reran(run: RunState, command: c.RecordRerun | c.RecordRerunFinished | c.LoseRerun) -> Events:
    match command:
        case c.RecordRerun(number=number, handle=handle):
            fits = not run.awaited_rerun and number == len(run.reruns) + 1
            return [e.RerunRequested(number=number, handle=handle)] if fits else []
        case c.RecordRerunFinished():
            return _rerun_finished(run, command) if run.awaited_rerun else []
        case c.LoseRerun(reason=reason) if reason:
            return [
                e.StepSkipped(step=step, reason=reason)
                for step in ("rerun", "recheck")
                if step not in run.plan.skipped
            ]
        case c.LoseRerun(number=number):
            awaited = run.awaited_rerun
            return [e.RerunLost(number=number)] if awaited and awaited.number == number else []
        case _:
            assert_never(command)


def _rerun_finished(run: RunState, command: c.RecordRerunFinished) -> Events:
    finished = e.RerunFinished(
        outcome=command.outcome, execution=command.execution, successor=command.successor
    )
    match command.outcome:
        case "green":
            return [finished, *_green_rerun(run)]
        case "other":
            return [
                finished,
                e.RunAborted(reason="changed", by=SERVICE, successor=command.successor),
            ]
        case _:
            return [finished]


def _green_rerun(run: RunState) -> Events:
    """Red and green of one tree in one CI job: the infrastructure's doing where the log says so,
    else a flake.
    """
    infra = run.diagnosis.failure_class is FailureClass.INFRA
    reason = "the same job was green on a rerun of the same commit"
    blamed = e.BlameFound(blame=Blame.INFRA if infra else Blame.FLAKE, reason=reason)
    return [blamed, e.RunResolved(how="rerun_green", by=SERVICE, note=reason)]
