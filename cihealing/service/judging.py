"""What one result means for the runs there are: begin one, join one, feed the one that waits for
it, or nothing.

Called inside the transaction that stores the delivery.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from cihealing import store
from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.values import (
    Digest,
    Failed,
    Failure,
    Mode,
    Passed,
    RunStatus,
    rule_of,
    run_id_of,
)
from cihealing.models import Execution, IgnoredFingerprint, Run
from cihealing.service import outbox, policies
from cihealing.service.handling import Cause, handle_inside
from cihealing.service.transactions import one_at_a_time

OURS = "cihealing/"
"""How the branches of the service's own changes begin; the run's id follows."""
OWN_RUN = re.compile(r"cihealing/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
OPEN = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.FIXED, RunStatus.ESCALATED)


@dataclass(frozen=True, kw_only=True)
class Judged:
    status: str
    run: UUID | None = None
    deduplicated: bool = False
    ignored: str = ""


def ignored(reason: str) -> Judged:
    return Judged(status="ignored", ignored=reason)


def judge_failed(failed: Failed, failure: Failure | None, *, log: Digest, now: datetime) -> Judged:
    """`failure` None: another delivery told of this execution, and what became of it there
    holds.
    """
    one_at_a_time(failed.repository, failed.job)
    told = _told(failed)
    if told:
        return told
    if failed.branch.startswith(OURS):
        hurry(failed.repository, failed.branch)
        return ignored("builds of the service's own branches begin no run")
    if policies.current().repository(failed.repository).mode is Mode.OFF:
        return ignored(f"policy has {failed.repository} switched off")
    if failure is None:
        return ignored("another delivery of this execution is being read")
    if IgnoredFingerprint.objects.filter(error_hash=failure.error_hash).exists():
        return ignored(f"a person silenced this failure ({failure.error_hash[:15]})")
    return _admit(failed, failure, log, now)


def hurry(repository: str, branch: str) -> None:
    """A build of our own change ended: look at the change now instead of at the next time."""
    match = OWN_RUN.match(branch)
    if match and Run.objects.filter(id=UUID(match[1]), repository=repository).exists():
        outbox.hurry(UUID(match[1]), "watch_change")


def _told(failed: Failed) -> Judged | None:
    """The same job run, told of before; or a job of a workflow whose coarse result began a run
    already.
    """
    ref = failed.execution
    same = Execution.objects.filter(
        provider=ref.provider, host=ref.host, job_run_id=ref.job_run_id, attempt=ref.attempt
    )
    # Locked: where two deliveries of one job run are judged at once, the second waits and finds
    # what the first began.
    run = next(
        (r for r in same.select_for_update().values_list("run_id", flat=True) if r), None
    ) or _told_coarsely(failed)
    return Judged(status=_status(run), run=run, deduplicated=True) if run else None


def _told_coarsely(failed: Failed) -> UUID | None:
    if not failed.parent_id or failed.coarse:
        return None
    ref = failed.execution
    coarse = Execution.objects.filter(
        provider=ref.provider, host=ref.host, parent_id=failed.parent_id, coarse=True
    )
    return coarse.exclude(run_id=None).values_list("run_id", flat=True).first()


def _status(run: UUID) -> str:
    return Run.objects.values_list("status", flat=True).get(id=run)


def _admit(failed: Failed, failure: Failure, log: Digest, now: datetime) -> Judged:
    # Not by id: a run keeps the one it began with when its failure gets another hash (`cihealing
    # rehash`).
    known = Run.objects.filter(
        repository=failed.repository, commit=failed.commit, error_hash=failure.error_hash
    ).first()
    if known is not None:
        _finish_reruns(failed, known.id, now)
        return _joined(known, failed, now)
    run_id = run_id_of(failed.repository, failed.commit, failure.error_hash)
    older, newer = _same_on_branch(failed, failure, now)
    queued = _queued(failed, failure, log, now, older)
    run = handle_inside(run_id, c.QueueRun(queued=queued), cause=Cause(source="receive"), now=now)
    _finish_reruns(failed, run_id, now)
    for old in older:
        handle_inside(old.id, c.Supersede(successor=run_id), cause=Cause(source="receive"), now=now)
    if newer is not None:
        run = handle_inside(
            run_id, c.Supersede(successor=newer.id), cause=Cause(source="receive"), now=now
        )
    return Judged(status=str(run.status), run=run_id)


def _joined(known: Run, failed: Failed, now: datetime) -> Judged:
    """While the run is open its stream is not touched; after its end the recurrence is a fact of
    it.
    """
    if known.status not in OPEN:
        handle_inside(
            known.id, c.Recur(execution=failed.execution), cause=Cause(source="receive"), now=now
        )
    return Judged(status=_status(known.id), run=known.id, deduplicated=True)


def _finish_reruns(failed: Failed, this: UUID, now: datetime) -> None:
    """Runs that wait for a rerun of this job on this commit have their answer: the same failure, or
    another one.
    """
    waiting = Run.objects.filter(
        repository=failed.repository, commit=failed.commit, job=failed.job, awaiting_rerun=True
    )
    for run in waiting:
        same = run.id == this
        finished = c.RecordRerunFinished(
            outcome="same" if same else "other",
            execution=failed.execution,
            successor=None if same else this,
        )
        handle_inside(run.id, finished, cause=Cause(source="receive"), now=now)


def _same_on_branch(
    failed: Failed, failure: Failure, now: datetime
) -> tuple[list[Run], Run | None]:
    """Open runs of the same failure on other commits of the branch: (older ones, a newer one).

    One on this commit would have the id of this failure's own run, and the caller has seen that
    there is none.
    """
    when = failed.finished_at or now
    others = Run.objects.filter(
        repository=failed.repository,
        branch=failed.branch,
        job=failed.job,
        error_hash=failure.error_hash,
        status__in=OPEN,
        cluster_claim=None,  # who stands for others is not replaced by one more of them
    )
    older, newer = [], None
    for other in others:
        if _failed_at(other) > when:
            newer = other
        else:
            older.append(other)
    return older, newer


def _failed_at(run: Run) -> datetime:
    told = msgspec.json.decode(run.state).get("failed_at")
    return datetime.fromisoformat(told) if told else run.created_at


def _queued(
    failed: Failed, failure: Failure, log: Digest, now: datetime, older: list[Run]
) -> e.RunQueued:
    inherited = next(
        (old.patch_hash for old in older if old.status == RunStatus.FIXED and old.patch_hash), ""
    )
    return e.RunQueued(
        provider=failed.execution.provider,
        repository=failed.repository,
        branch=failed.branch,
        commit=failed.commit,
        job=failed.job,
        step=failure.step or failed.step,
        command=failed.command or failure.command,
        pipeline_url=failed.pipeline_url,
        base_branch=failed.base_branch,
        fork=failed.fork,
        execution=failed.execution,
        finished_at=failed.finished_at or now,
        error_hash=failure.error_hash,
        strong=failure.strong,
        error_type=failure.error_type or failed.error_type,
        summary=failure.summary,
        failed_tests=failure.failed_tests[:200],
        rule=rule_of(failure),
        failure=store.put(msgspec.json.encode(failure), kind="failure", now=now),
        log=log,
        log_missing=failure.log_missing,
        policy=policies.pin(policies.current(), now=now),
        inherited_patch=inherited,
        supersedes=tuple(old.id for old in older),
        greens=_greens(failed),
    )


def _greens(failed: Failed) -> int:
    same = Execution.objects.filter(
        repository=failed.repository,
        commit=failed.commit,
        job=failed.job,
        outcome="passed",
        coarse=False,
    )
    return same.count()


def judge_passed(passed: Passed, *, now: datetime) -> Judged:
    """A green execution is a fact in any case; it ends the runs that waited for it."""
    one_at_a_time(passed.repository, passed.job)
    if passed.branch.startswith(OURS):
        hurry(passed.repository, passed.branch)
    same_job = Run.objects.filter(repository=passed.repository, job=passed.job)
    for run in same_job.filter(commit=passed.commit, awaiting_rerun=True):
        finished = c.RecordRerunFinished(outcome="green", execution=passed.execution)
        handle_inside(run.id, finished, cause=Cause(source="receive"), now=now)
    later = same_job.filter(branch=passed.branch, status=RunStatus.ESCALATED).exclude(
        commit=passed.commit
    )
    for run in later:
        if _failed_at(run) <= (passed.finished_at or now):
            handle_inside(
                run.id, c.GreenLater(commit=passed.commit), cause=Cause(source="receive"), now=now
            )
    return Judged(status="passed")
