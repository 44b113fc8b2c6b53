"""What people decide about a proven patch, and what becomes of it at the forge."""

from __future__ import annotations

from typing import assert_never

from cihealing.domain import events as e
from cihealing.domain.evolve.blame import moved
from cihealing.domain.evolve.patches import last
from cihealing.domain.run import RunReview, RunState, change, noted
from cihealing.domain.values import AttemptStatus, Evidence, RunStatus, Stage


def evolve_review(run: RunState, event: e.ReviewEvent, envelope: e.Envelope) -> RunState:
    match event:
        case e.Approved(act=act, by=by):
            return change(run, review=change(run.review, approved_by=by, approved_act=act))
        case e.PatchDenied(patch=patch):
            refused = (*run.patches.refused, patch)
            return change(_unproven(run), patches=change(run.patches, refused=refused))
        case e.HeadMoved(found=found):
            return _reproving(run, found, envelope)
        case e.ChangePublished(url=url, commit=commit, merged=True):
            merged = change(run.change, url=url, merged_commit=commit, open=False)
            return change(run, change=merged)
        case e.ChangePublished(url=url, commit=commit):
            return _opened(run, url, commit)
        case e.PublishFailed(reason=reason):
            return change(
                run,
                review=_unapproved(run),
                change=change(run.change, publish_failures=run.change.publish_failures + 1),
                plan=noted(run, f"publish: {reason}"),
            )
        case _:
            assert_never(event)


def _unproven(run: RunState) -> RunState:
    """No patch waits any more; what was shown about the failure still stands."""
    return change(
        run, review=change(_unapproved(run), patch="", proof=""), evidence=Evidence.REPRODUCED
    )


def _unapproved(run: RunState) -> RunReview:
    return change(run.review, approved_by=None, approved_act="")


def _reproving(run: RunState, found: str, envelope: e.Envelope) -> RunState:
    """The same patch, the same attempt, another head: only what is seen there counts."""
    proving = last(
        moved(_unproven(run), found),
        status=AttemptStatus.RUNNING,
        head=found,
        proof="",
        finished_at=None,
    )
    return change(proving, status=RunStatus.RUNNING, stage=Stage.PROOF, running_since=envelope.at)


def _opened(run: RunState, url: str, commit: str) -> RunState:
    """It waits for its CI and for a person's merge, which is an approval of its own."""
    opened = change(
        run.change,
        url=url,
        open=True,
        commit=commit,
        checks="",
        opened=run.change.opened + (url != run.change.url),
    )
    return change(run, review=_unapproved(run), change=opened)


def evolve_change(run: RunState, event: e.ChangeEvent, envelope: e.Envelope) -> RunState:
    match event:
        case e.ChangeChecked(checks=checks):
            green = checks == "green" and run.evidence in (Evidence.PROVEN, Evidence.CI_PROVEN)
            return change(
                run,
                change=change(run.change, checks=checks),
                evidence=Evidence.CI_PROVEN if green else run.evidence,
            )
        case e.ChangeFailed(reason=reason):
            return _failed_there(run, reason, envelope)
        case e.ChangeClosed(reason=reason):
            closed = change(run, change=change(run.change, open=False))
            return change(closed, plan=noted(run, f"change: {reason}")) if reason else closed
        case e.HumanFixProven(patch=patch):
            return change(run, change=change(run.change, human_fix=patch))
        case _:
            assert_never(event)


def _failed_there(run: RunState, reason: str, envelope: e.Envelope) -> RunState:
    """Back to work with the attempts that are left; what was shown here about the failure still
    stands.
    """
    failed = last(
        _unproven(run),
        status=AttemptStatus.FAILED,
        failure_reason=reason,
        proof="",
        finished_at=envelope.at,
    )
    return change(
        failed,
        status=RunStatus.RUNNING,
        stage=Stage.REMEDIATION,
        running_since=envelope.at,
        change=change(failed.change, open=False),
    )
