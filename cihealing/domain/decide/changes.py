"""What became of a proven patch at the forge."""

from __future__ import annotations

from typing import assert_never

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.events import Events
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import SERVICE, Actor, RunStatus


def published(run: RunState, command: c.PublishCommand, policy: Policy) -> Events:
    if isinstance(command, c.RecordHumanFix):
        return (
            []
            if run.change.human_fix
            else [e.HumanFixProven(commit=command.commit, patch=command.patch)]
        )
    if run.status is not RunStatus.FIXED:
        return _late(run, command)
    match command:
        case c.RecordPublished(url=url, commit=commit, merged=merged):
            done: Events = (
                [e.RunResolved(how="merged", by=run.review.approved_by)] if merged else []
            )
            return [e.ChangePublished(url=url, commit=commit, merged=merged), *done]
        case c.RecordPublishFailed(reason=reason):
            return [e.PublishFailed(reason=reason)]
        case c.RecordHeadMoved(expected=expected, found=found):
            return _moved(run, expected, found)
        case c.RecordChange():
            return (
                _looked(run, command, policy)
                if run.change.open and run.change.url == command.url
                else []
            )
        case _:
            assert_never(command)


def _moved(run: RunState, expected: str, found: str) -> Events:
    if run.head != expected:
        return []
    if not found:
        where = run.change.target or run.failure.ref or "the branch"
        note = f"{where} is no branch of {run.failure.repository} any more: a patch belongs nowhere"
        return [e.RunAborted(reason="gone", by=SERVICE, note=note)]
    return [e.HeadMoved(expected=expected, found=found)] if run.attempt else []


def _looked(run: RunState, command: c.RecordChange, policy: Policy) -> Events:
    by = Actor(kind="person", name=command.by or "somebody at the forge")
    if command.state == "merged":
        merged = e.ChangePublished(
            url=command.url, commit=command.merged_commit or command.head, merged=True
        )
        return [merged, e.RunResolved(how="merged", by=by)]
    if command.state == "closed" or command.opted_out:
        why = f"closed by {by.name}" if command.state == "closed" else "labelled cihealing:off"
        closed = e.ChangeClosed(url=command.url, by=command.by, reason=why)
        return [
            closed,
            e.PatchDenied(by=by, patch=run.review.patch, note=why),
            e.RunEscalated(reason=f"the change was {why}", owner=run.blame.owner),
        ]
    return _checked(run, command, policy)


def _checked(run: RunState, command: c.RecordChange, policy: Policy) -> Events:
    """Only what its CI says of the commit that was published counts: others may push to the
    branch.
    """
    if command.head != run.change.commit or command.checks == run.change.checks:
        return []
    checked = e.ChangeChecked(head=command.head, checks=command.checks, failing=command.failing)
    if command.checks != "red" or run.review.approved_by:
        return [checked]
    reason = f"the change's own CI is red: {', '.join(command.failing[:5]) or 'no check is named'}"
    return [checked, e.ChangeFailed(number=run.attempts[-1].number, reason=reason)]


def _late(run: RunState, command: c.PublishCommand) -> Events:
    """A publisher that was overtaken: what it did is kept."""
    if not isinstance(command, c.RecordPublished) or run.change.merged_commit == command.commit:
        return []
    known = run.change.url == command.url and not command.merged
    return (
        []
        if known
        else [
            e.LateOutcome(
                effect="publish",
                outcome=f"{'merged' if command.merged else 'opened'} {command.url}",
            )
        ]
    )
