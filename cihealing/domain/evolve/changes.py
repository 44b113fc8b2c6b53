"""What people decide about a proven patch, and what becomes of it at the forge."""

from __future__ import annotations

from typing import assert_never

from cihealing.domain import events as e
from cihealing.domain.evolve.blame import moved
from cihealing.domain.evolve.patches import last
from cihealing.domain.run import Run, change
from cihealing.domain.values import AttemptStatus, Evidence, RunStatus, Stage


def evolve_review(run: Run, event: e.ReviewEvent, envelope: e.Envelope) -> Run:
    match event:
        case e.Approved(act=act, by=by):
            return change(run, approved_by=by, approved_act=act)
        case e.PatchDenied(patch=patch):
            return change(_unproven(run), refused_patches=(*run.refused_patches, patch))
        case e.HeadMoved(found=found):
            return _reproving(run, found, envelope)
        case e.ChangePublished(url=url, commit=commit, merged=True):
            return change(run, pr_url=url, merged_commit=commit, change_open=False)
        case e.ChangePublished(url=url, commit=commit):
            return _opened(run, url, commit)
        case e.PublishFailed(reason=reason):
            failed = f"publish: {reason}"
            return change(
                run,
                approved_by=None,
                approved_act="",
                publish_failures=run.publish_failures + 1,
                notes=(*run.notes, failed),
            )
        case _:
            assert_never(event)


def _unproven(run: Run) -> Run:
    """No patch waits any more; what was shown about the failure still stands."""
    return change(
        run, patch="", proof="", approved_by=None, approved_act="", evidence=Evidence.REPRODUCED
    )


def _reproving(run: Run, found: str, envelope: e.Envelope) -> Run:
    """The same patch, the same attempt, another head: only what is seen there counts."""
    proving = last(
        moved(_unproven(run), found),
        status=AttemptStatus.RUNNING,
        head=found,
        proof="",
        finished_at=None,
    )
    return change(proving, status=RunStatus.RUNNING, stage=Stage.PROOF, running_since=envelope.at)


def _opened(run: Run, url: str, commit: str) -> Run:
    """It waits for its CI and for a person's merge, which is an approval of its own."""
    waiting = change(
        run, approved_by=None, approved_act="", changes=run.changes + (url != run.pr_url)
    )
    return change(waiting, pr_url=url, change_open=True, change_commit=commit, change_checks="")


def evolve_change(run: Run, event: e.ChangeEvent, envelope: e.Envelope) -> Run:
    match event:
        case e.ChangeChecked(checks=checks):
            green = checks == "green" and run.evidence in (Evidence.PROVEN, Evidence.CI_PROVEN)
            return change(
                run, change_checks=checks, evidence=Evidence.CI_PROVEN if green else run.evidence
            )
        case e.ChangeFailed(reason=reason):
            return _failed_there(run, reason, envelope)
        case e.ChangeClosed(reason=reason):
            return change(
                run,
                change_open=False,
                notes=(*run.notes, f"change: {reason}") if reason else run.notes,
            )
        case e.HumanFixProven(patch=patch):
            return change(run, human_fix=patch)
        case _:
            assert_never(event)


def _failed_there(run: Run, reason: str, envelope: e.Envelope) -> Run:
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
        change_open=False,
    )
