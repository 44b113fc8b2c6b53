"""What one result means for the runs there are: begin one, join one, feed the one that waits for
it, or nothing.

Called inside the transaction that stores the delivery.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import msgspec

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.effects import WatchChange
from cihealing.domain.run import RunState
from cihealing.domain.values import (
    Digest,
    Failed,
    Failure,
    JobFacts,
    Mode,
    Passed,
    RunStatus,
    rule_of,
    run_id_of,
)
from cihealing.models import Run
from cihealing.service import facts, outbox, policies
from cihealing.service.facts import OPEN, Facts, Known
from cihealing.service.handling import Cause, begin_inside, handle_inside
from cihealing.service.transactions import one_at_a_time
from cihealing.service.writing import Writing

OURS = "cihealing/"
"""How the branches of the service's own changes begin; the run's id follows."""
OWN_RUN = re.compile(r"cihealing/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
OF_JOB = tuple(
    name
    for name in JobFacts.__struct_fields__
    if name in e.RunQueued.__struct_fields__ and name != "finished_at"
)
"""What a run keeps of its job as it was told."""
RECEIVE = Cause(source="receive")


@dataclass(frozen=True, kw_only=True)
class Judged:
    status: str
    run: UUID | None = None
    deduplicated: bool = False
    ignored: str = ""
    told: bool = False
    """Whether another delivery told of this execution."""


def ignored(reason: str) -> Judged:
    return Judged(status="ignored", ignored=reason)


def judge_failed(
    failed: Failed, failure: Failure | None, *, log: Digest, writing: Writing
) -> Judged:
    """`failure` None: another delivery told of this execution, and what became of it there
    holds. What begins is gathered in `writing`; what began before is seen.
    """
    writing.settle()
    one_at_a_time(failed.repository, failed.job)
    found = facts.of_failed(failed, failure)
    writing.at = found.at
    judged = (
        _told_before(found)
        or _not_wanted(failed, found)
        or _known(failed, failure, found, log, writing)
    )
    return replace(judged, told=found.told)


def _told_before(found: Facts) -> Judged | None:
    """The same job run, told of before; or a job of a workflow whose coarse result began a run
    already.
    """
    run = found.told_of
    if run is None:
        return None
    return Judged(status=run.status or _status(run.id), run=run.id, deduplicated=True)


def _not_wanted(failed: Failed, found: Facts) -> Judged | None:
    if _look_after(failed, found):
        return ignored("builds of the service's own changes begin no run")
    if found.allowed:
        return ignored(f"{failed.job} may fail: what it is part of is green in spite of it")
    if policies.current().repository(failed.repository).mode is Mode.OFF:
        return ignored(f"policy has {failed.repository} switched off")
    return None


def _known(
    failed: Failed, failure: Failure | None, found: Facts, log: Digest, writing: Writing
) -> Judged:
    if failure is None:
        return ignored("another delivery of this execution is being read")
    if found.silenced:
        return ignored(f"a person silenced this failure ({failure.error_hash[:15]})")
    if found.known is not None:
        return _joined(found.known, failed, found, writing.now)
    return _begun(failed, failure, found, log, writing)


def _look_after(result: Failed | Passed, found: Facts) -> bool:
    """Whether it is a build of a change of ours, which is then looked at. A fork's branch of such a
    name is not ours.
    """
    if result.branch.startswith(OURS) and not result.fork:
        hurry(result.repository, result.branch)
        return True
    for run in found.own:
        outbox.hurry(run, WatchChange)
    return bool(found.own)


def hurry(repository: str, branch: str) -> None:
    """A build of our own change ended: look at the change now instead of at the next time."""
    match = OWN_RUN.match(branch)
    if match and Run.objects.filter(id=UUID(match[1]), repository=repository).exists():
        outbox.hurry(UUID(match[1]), WatchChange)


def _status(run: UUID) -> str:
    return Run.objects.values_list("status", flat=True).get(id=run)


def _joined(known: Known, failed: Failed, found: Facts, now: datetime) -> Judged:
    """While the run is open its stream is not touched; after its end the recurrence is a fact of
    it.
    """
    _finish_reruns(failed, known.id, found, now)
    ended = known.status not in OPEN
    if ended:
        handle_inside(known.id, c.Recur(execution=failed.execution), cause=RECEIVE, now=now)
    status = _status(known.id) if ended or found.waiting else known.status
    return Judged(status=status, run=known.id, deduplicated=True)


def _begun(failed: Failed, failure: Failure, found: Facts, log: Digest, writing: Writing) -> Judged:
    run_id, now = run_id_of(failed.repository, failed.commit, failure.error_hash), writing.now
    older, newer = _same_on_branch(failed, found, now)
    command = c.QueueRun(queued=_queued(failed, failure, log, found, older, writing))
    run = _queue(run_id, command, found, writing)
    if not (found.waiting or older or newer):
        return Judged(status=str(run.status), run=run_id)
    writing.flush()
    _finish_reruns(failed, run_id, found, now)
    for old in older:
        handle_inside(old.id, c.Supersede(successor=run_id), cause=RECEIVE, now=now)
    if newer is not None:
        run = handle_inside(run_id, c.Supersede(successor=newer.id), cause=RECEIVE, now=now)
    return Judged(status=str(run.status), run=run_id)


def _queue(run_id: UUID, command: c.QueueRun, found: Facts, writing: Writing) -> RunState:
    if found.taken:
        writing.flush()
        return handle_inside(run_id, command, cause=RECEIVE, now=writing.now)
    return begin_inside(run_id, command, cause=RECEIVE, writing=writing)


def _finish_reruns(failed: Failed, this: UUID, found: Facts, now: datetime) -> None:
    """Runs that wait for a rerun of this job on this commit have their answer: the same failure, or
    another one.
    """
    for run in found.waiting:
        same = run == this
        finished = c.RecordRerunFinished(
            outcome="same" if same else "other",
            execution=failed.execution,
            successor=None if same else this,
        )
        handle_inside(run, finished, cause=RECEIVE, now=now)


def _same_on_branch(
    failed: Failed, found: Facts, now: datetime
) -> tuple[list[Known], Known | None]:
    """Open runs of the same failure on other commits of the branch: (older ones, a newer one).

    One on this commit would have the id of this failure's own run, and the caller has seen that
    there is none.
    """
    when = failed.finished_at or now
    older, newer = [], None
    for other in found.others:
        if other.failed_at > when:
            newer = other
        else:
            older.append(other)
    return older, newer


def _queued(
    failed: Failed,
    failure: Failure,
    log: Digest,
    found: Facts,
    older: list[Known],
    writing: Writing,
) -> e.RunQueued:
    fixed = [old.patch for old in older if old.status == RunStatus.FIXED and old.patch]
    return e.RunQueued(
        provider=failed.execution.provider,
        **{name: getattr(failed, name) for name in OF_JOB},
        step=failure.step or failed.step,
        command=failed.command or failure.command,
        change_number=failed.change,
        finished_at=failed.finished_at or writing.now,
        error_hash=failure.error_hash,
        strong=failure.strong,
        error_type=failure.error_type or failed.error_type,
        summary=failure.summary,
        failed_tests=failure.failed_tests[:200],
        rule=rule_of(failure),
        failure=writing.keep(msgspec.json.encode(failure), kind="failure"),
        log=log,
        log_missing=failure.log_missing,
        policy=writing.keep(policies.packed(policies.current()), kind="policy"),
        inherited_patch=fixed[0] if fixed else "",
        supersedes=tuple(old.id for old in older),
        greens=found.greens,
    )


def judge_passed(passed: Passed, *, writing: Writing, asked: bool = False) -> Judged | None:
    """A green execution is a fact in any case; it ends the runs that waited for it.

    None where it may say something of a run and only its provider can tell (`asked`: it was).
    """
    writing.settle()
    one_at_a_time(passed.repository, passed.job)
    found = facts.of_passed(passed)
    if found.unrelated and not asked:
        return None
    writing.at = found.at
    if _look_after(passed, found):
        return Judged(status="passed", told=found.told)
    for run in found.waiting:
        finished = c.RecordRerunFinished(outcome="green", execution=passed.execution)
        handle_inside(run, finished, cause=RECEIVE, now=writing.now)
    for run, command in _greens(passed, found, writing.now):
        handle_inside(run, command, cause=RECEIVE, now=writing.now)
    return Judged(status="passed", told=found.told)


def _greens(passed: Passed, found: Facts, now: datetime) -> Iterator[tuple[UUID, c.RunCommand]]:
    """What the runs of its job learn from it, and those of its own red jobs."""
    for other in found.others:
        if other.failed_at > (passed.finished_at or now) or other.id in found.waiting:
            continue
        if other.commit != passed.commit:
            yield other.id, c.GreenLater(commit=passed.commit)
        else:
            yield other.id, c.SeeGreenRerun(execution=passed.execution)
    note = f"{passed.job} is green in spite of it: CI lets the job fail"
    for child in found.children:
        yield child.id, c.Allow(note=note)
