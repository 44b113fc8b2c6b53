"""Whose failure it is, and the reruns of its job."""

from __future__ import annotations

from typing import assert_never

import msgspec

from cihealing.domain import events as e
from cihealing.domain.run import Rerun, Run, change
from cihealing.domain.values import Stage


def evolve_blame(run: Run, event: e.BlameEvent) -> Run:
    match event:
        case e.BlameFound():
            return change(
                run,
                blame=event.blame,
                blame_reason=event.reason,
                base_commit=event.base_commit,
                owner=run.owner or event.owner,
            )
        case e.BaseClaimed(branch=branch, head=head):
            return moved(change(run, claimed_base=branch, target=branch), head)
        case e.AttachedToBase(leader=leader):
            return change(run, attached_to=leader)
        case e.ClusterOpened():
            return change(run, leads_cluster=True)
        case e.ClusterClosed():
            return change(run, leads_cluster=False)
        case e.RunClustered(leader=leader):
            return change(run, cluster_leader=leader)
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


def moved(run: Run, head: str) -> Run:
    """Work goes on with another commit: what was seen on the old one says nothing about it."""
    if head == run.head:
        return run
    return change(run, head=head, reproduced="", not_reproduced="")


def _rerun_over(run: Run, outcome: str) -> Run:
    if not run.reruns:
        return run
    last = msgspec.structs.replace(run.reruns[-1], outcome=outcome)
    return change(run, reruns=(*run.reruns[:-1], last))
