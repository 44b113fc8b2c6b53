"""What each fact means for the state of a run. Total: every event changes a run or leaves it, none
is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import assert_never
from uuid import UUID

import msgspec

from cihealing.domain import events as e
from cihealing.domain.run import Asked, Attempt, Candidate, Rerun, Run, Seen, change
from cihealing.domain.values import (
    AttemptStatus,
    Blame,
    Colour,
    Evidence,
    Purpose,
    RunStatus,
    Stage,
    Usage,
)

PROVING = (Purpose.RED_BEFORE, Purpose.GREEN, Purpose.RED_AFTER, Purpose.CANARY)


def fold(run_id: UUID, envelopes: Iterable[e.Envelope]) -> Run:
    return reduce(evolve, envelopes, Run(id=run_id))


def evolve(run: Run, envelope: e.Envelope) -> Run:
    moved = _fact(run, envelope)
    return change(
        moved,
        version=run.version + 1,
        updated_at=envelope.at,
        created_at=run.created_at or envelope.at,
    )


def _fact(run: Run, envelope: e.Envelope) -> Run:
    event = envelope.event
    if isinstance(event, e.LifeEvent):
        return _life(run, event, envelope)
    if isinstance(event, e.FindingEvent):
        return _finding(run, event, envelope)
    if isinstance(event, e.BlameEvent):
        return _blame(run, event)
    if isinstance(event, e.PatchEvent):
        return _patch(run, event, envelope)
    if isinstance(event, e.ModelEvent):
        return _model(run, event, envelope)
    if isinstance(event, e.ReviewEvent):
        return _review(run, event, envelope)
    if isinstance(event, e.ChangeEvent):
        return _change(run, event, envelope)
    return run  # a fact of another kind of stream


def _life(run: Run, event: e.LifeEvent, envelope: e.Envelope) -> Run:
    match event:
        case e.RunQueued():
            return _queued(run, event)
        case e.RunStarted():
            return change(
                run, status=RunStatus.RUNNING, stage=Stage.READING, running_since=envelope.at
            )
        case e.RunResolved(how=how):
            return change(
                _pause(run, envelope), status=RunStatus.RESOLVED, resolution=how, change_open=False
            )
        case e.RunEscalated():
            return _escalated(_pause(run, envelope), event)
        case e.RunAborted(reason=reason, successor=successor):
            return change(
                _pause(run, envelope),
                status=RunStatus.ABORTED,
                abort_reason=reason,
                successor=successor,
                change_open=False,
            )
        case e.RunRetried():
            return _retried(run, event)
        case e.FailureRecurred():
            return change(run, recurrences=run.recurrences + 1)
        case e.FailureRehashed(error_hash=error_hash, strong=strong):
            return change(run, error_hash=error_hash, strong=strong)
        case e.EffectGaveUp(effect=effect, reason=reason):
            return change(run, notes=(*run.notes, f"{effect} gave up: {reason}"))
        case e.LateOutcome(effect=effect, outcome=outcome):
            return change(run, late=(*run.late, f"{effect}: {outcome}"))
        case _:
            assert_never(event)


FAILURE_FACTS = (
    "provider",
    "repository",
    "branch",
    "commit",
    "job",
    "step",
    "command",
    "pipeline_url",
    "base_branch",
    "fork",
    "execution",
    "error_hash",
    "strong",
    "error_type",
    "summary",
    "failed_tests",
    "rule",
    "failure",
    "log",
    "log_missing",
)
"""What the failure is: told once, and the same in every generation."""


def _queued(run: Run, event: e.RunQueued) -> Run:
    facts = {name: getattr(event, name) for name in FAILURE_FACTS}
    more = {
        "policy": event.policy,
        "inherited_patch": event.inherited_patch,
        "ci_greens": event.greens,
    }
    return change(
        run, **facts, **more, failed_at=event.finished_at, head=event.commit, target=event.branch
    )


def _pause(run: Run, envelope: e.Envelope) -> Run:
    """The run leaves `running`: its clock stops."""
    return change(run, ran_seconds=run.seconds_running(envelope.at), running_since=None)


def _escalated(run: Run, event: e.RunEscalated) -> Run:
    return change(
        run,
        status=RunStatus.ESCALATED,
        stage=Stage.ESCALATION,
        escalation_reason=event.reason,
        owner=event.owner or run.owner,
        report=event.report,
        candidate=None,
    )


KEPT = (
    *FAILURE_FACTS,
    "failed_at",
    "ci_greens",
    "version",
    "created_at",
    "updated_at",
    "refused_patches",
    "recurrences",
    "late",
    "asked",
    "changes",
)


def _retried(run: Run, event: e.RunRetried) -> Run:
    """A new generation: what the failure is stays, what was tried is history, refused patches stay
    refused.
    """
    kept = {name: getattr(run, name) for name in KEPT}
    past = (*run.past_attempts, *run.attempts)
    fresh = change(
        Run(id=run.id), **kept, generation=event.generation, policy=event.policy, past_attempts=past
    )
    return change(fresh, head=run.commit, target=run.branch)


def _finding(run: Run, event: e.FindingEvent, envelope: e.Envelope) -> Run:
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


def _blame(run: Run, event: e.BlameEvent) -> Run:
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
            return _moved(change(run, claimed_base=branch, target=branch), head)
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


def _moved(run: Run, head: str) -> Run:
    """Work goes on with another commit: what was seen on the old one says nothing about it."""
    if head == run.head:
        return run
    return change(run, head=head, reproduced="", not_reproduced="")


def _rerun_over(run: Run, outcome: str) -> Run:
    if not run.reruns:
        return run
    last = msgspec.structs.replace(run.reruns[-1], outcome=outcome)
    return change(run, reruns=(*run.reruns[:-1], last))


def _model(run: Run, event: e.ModelEvent, envelope: e.Envelope) -> Run:
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


def _patch(run: Run, event: e.PatchEvent, envelope: e.Envelope) -> Run:
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
        _last(
            run,
            status=AttemptStatus.FAILED,
            failure_reason=event.reason,
            usage=_spent(run, event.usage),
            finished_at=envelope.at,
        ),
        stage=Stage.REMEDIATION,
    )


def _proven(run: Run, event: e.PatchProven, envelope: e.Envelope) -> Run:
    moved = _last(
        _pause(run, envelope),
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


def _last(run: Run, **fields: object) -> Run:
    if not run.attempts:
        return run
    return change(
        run, attempts=(*run.attempts[:-1], msgspec.structs.replace(run.attempts[-1], **fields))
    )


def _review(run: Run, event: e.ReviewEvent, envelope: e.Envelope) -> Run:
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
    moved = _last(
        _moved(_unproven(run), found),
        status=AttemptStatus.RUNNING,
        head=found,
        proof="",
        finished_at=None,
    )
    return change(moved, status=RunStatus.RUNNING, stage=Stage.PROOF, running_since=envelope.at)


def _opened(run: Run, url: str, commit: str) -> Run:
    """It waits for its CI and for a person's merge, which is an approval of its own."""
    waiting = change(
        run, approved_by=None, approved_act="", changes=run.changes + (url != run.pr_url)
    )
    return change(waiting, pr_url=url, change_open=True, change_commit=commit, change_checks="")


def _change(run: Run, event: e.ChangeEvent, envelope: e.Envelope) -> Run:
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
    failed = _last(
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
