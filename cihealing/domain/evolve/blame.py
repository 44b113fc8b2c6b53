"""Whose failure it is, and the reruns of its job."""

from __future__ import annotations

from typing import assert_never

from cihealing.domain import events as e
from cihealing.domain.run import Rerun, RunState, change
from cihealing.domain.values import Stage


def evolve_blame(run: RunState, event: e.BlameEvent) -> RunState:
    match event:
        case e.BlameFound():
            found = change(
                run.blame,
                verdict=event.blame,
                reason=event.reason,
                base_commit=event.base_commit,
                owner=run.blame.owner or event.owner,
            )
            return change(run, blame=found)
        case e.BaseClaimed(branch=branch, head=head):
            claimed = change(
                run,
                blame=change(run.blame, claimed_base=branch),
                change=change(run.change, target=branch),
            )
            return moved(claimed, head)
        case e.AttachedToBase(leader=leader):
            return change(run, cluster=change(run.cluster, attached_to=leader))
        case e.ClusterOpened():
            return change(run, cluster=change(run.cluster, leads=True))
        case e.ClusterClosed():
            return change(run, cluster=change(run.cluster, leads=False))
        case e.RunClustered(leader=leader):
            return change(run, cluster=change(run.cluster, leader=leader))
        case e.RerunRequested(number=number, handle=handle):
            return change(
                run, stage=Stage.RERUN, reruns=(*run.reruns, Rerun(number=number, handle=handle))
            )
        case e.RerunFinished(outcome=outcome):
            return _rerun_over(run, outcome)
        case e.RerunLost():
            return _rerun_over(run, "lost")
        case _:
            assert_never(event)


def moved(run: RunState, head: str) -> RunState:
    """Work goes on with another commit: what was seen on the old one says nothing about it."""
    if head == run.head:
        return run
    return change(run, head=head, local=change(run.local, reproduced="", not_reproduced=""))


def _rerun_over(run: RunState, outcome: str) -> RunState:
    if not run.reruns:
        return run
    last = change(run.reruns[-1], outcome=outcome)
    return change(run, reruns=(*run.reruns[:-1], last))
