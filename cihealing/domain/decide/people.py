"""What people decide."""

from __future__ import annotations

from typing import assert_never

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.decide.life import ENDED, OPEN, end_attempt
from cihealing.domain.events import Events
from cihealing.domain.policy import Policy
from cihealing.domain.review import ACTS, wrong_act
from cihealing.domain.run import Refused, RunState, Stale
from cihealing.domain.values import AttemptStatus, Evidence, RunStatus


def by_person(run: RunState, command: c.PersonCommand, policy: Policy) -> Events:
    if not run.exists:
        raise Refused("there is no such run")
    match command:
        case c.Approve():
            return _approve(run, command, policy)
        case c.Deny():
            return _deny(run, command)
        case c.Abort(by=by, note=note):
            run.require(*OPEN)
            run.require_version(command.version)
            return [
                *end_attempt(run, "aborted by a person"),
                e.RunAborted(reason="person", by=by, note=note),
            ]
        case c.Retry():
            run.require(RunStatus.ESCALATED, *ENDED)
            run.require_version(command.version)
            return [
                e.RunRetried(
                    generation=run.generation + 1,
                    by=command.by,
                    policy=command.policy,
                    note=command.note,
                )
            ]
        case c.FixByHand(by=by, note=note):
            run.require(RunStatus.ESCALATED)
            run.require_version(command.version)
            return [e.RunResolved(how="human_fix", by=by, note=note, commit=command.commit)]
        case _:
            assert_never(command)


def _approve(run: RunState, command: c.Approve, policy: Policy) -> Events:
    run.require(RunStatus.FIXED)
    if command.version is None or command.version != run.version:
        raise Stale(run.version)
    if command.act not in ACTS:
        raise Refused("approve names its act: publish or merge")
    if run.review.approved_by:
        raise Refused(f"{run.review.approved_by.name} approved it already")
    if wrong := wrong_act(run, command.act, policy):
        raise Refused(wrong)
    if (
        run.evidence not in (Evidence.PROVEN, Evidence.CI_PROVEN)
        or not run.review.proof
        or run.attempt is None
        or run.attempt.status is not AttemptStatus.SUCCEEDED
    ):
        raise Refused("there is no proof to approve")
    return [e.Approved(act=command.act, by=command.by, note=command.note)]


def _deny(run: RunState, command: c.Deny) -> Events:
    run.require(RunStatus.FIXED)
    run.require_version(command.version)
    if run.review.approved_by:
        raise Refused(f"{run.review.approved_by.name} approved it already")
    told = f"denied by {command.by.name}" + (f": {command.note}" if command.note else "")
    closed = (
        [e.ChangeClosed(url=run.change.url, by=command.by.name, reason=told)]
        if run.change.open
        else []
    )
    return [
        *closed,
        e.PatchDenied(by=command.by, patch=run.review.patch, note=command.note),
        e.RunEscalated(reason=told[:1000], owner=run.blame.owner),
    ]
