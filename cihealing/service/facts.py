"""What the database knows that decides about one result, by one statement.

Read inside the transaction that stores the delivery, after `one_at_a_time`: nobody else judges a
result of the same job until it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from cihealing.domain.values import ExecutionRef, Failed, Failure, Passed, RunStatus, run_id_of
from cihealing.service import jumps

OPEN = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.FIXED, RunStatus.ESCALATED)
NOBODY = "CAST(NULL AS uuid)"
NEVER = datetime.min.replace(tzinfo=UTC)
RELATED = ("own", "child", "waiting", "other")
"""What is found with a run's state, which says whether it is related."""
Part = tuple[str, Sequence[Any]]
"""A SELECT of (what it found, a run, its status, text) and its parameters."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A run, as far as it decides anything here."""

    id: UUID
    status: str = ""
    commit: str = ""
    patch: str = ""
    failed_at: datetime = NEVER
    awaited: bool = False


@dataclass(kw_only=True)
class Facts:
    at: datetime
    """Database time."""
    told: bool = False
    """Whether another delivery told of this execution."""
    told_of: Known | None = None
    """The run of this execution, or of the whole workflow it is a job of."""
    silenced: bool = False
    known: Known | None = None
    """The run of this failure on this commit."""
    taken: bool = False
    """Whether another failure's run has the id that this one's would get."""
    waiting: list[UUID] = field(default_factory=list)
    """Runs that wait for a rerun of this job on this commit."""
    others: list[Known] = field(default_factory=list)
    """Of a red result: open runs of this failure on other commits of its branch. Of a green one:
    escalated runs of its job on its branch.
    """
    greens: int = 0
    """How often this job was green on this commit."""
    own: list[UUID] = field(default_factory=list)
    """Runs whose published change this is a build of."""
    allowed: bool = False
    """Whether what the job is part of is green in spite of it."""
    unrelated: bool = False
    """Whether there are runs that it says nothing of, as long as it is partial."""
    children: list[Known] = field(default_factory=list)
    """Of the green result of a workflow: open runs of its red jobs."""


def of_failed(failed: Failed, failure: Failure | None) -> Facts:
    parts = [_clock(), _told_before(), *_coarse(failed), *_own(failed), _waiting(failed)]
    parts += _allowed(failed)
    if failure is not None:
        parts += [*_known(failed, failure), _same_on_branch(failed, failure), _greens(failed)]
    return _found(parts, failed)


def of_passed(passed: Passed) -> Facts:
    parts = [_clock(), _told_before(), *_own(passed), _waiting(passed), _open(passed)]
    return _found([*parts, *_children(passed)], passed)


def _clock() -> Part:
    now = (
        "CAST(clock_timestamp() AS text)"
        if connection.vendor == "postgresql"
        else "strftime('%%Y-%%m-%%dT%%H:%%M:%%f', 'now')"
    )
    return f"SELECT 'at', {NOBODY}, '', {now}", ()


def _told_before() -> Part:
    text = (
        "SELECT 'told', e.run_id, COALESCE(r.status, ''), '' FROM told e"
        " LEFT JOIN cihealing_run r ON r.id = e.run_id"
    )
    return text, ()


def _execution(ref: ExecutionRef) -> Part:
    """Locked: where two deliveries of one job run are judged at once, the second waits and finds
    what the first began.
    """
    lock = " FOR UPDATE" if connection.vendor == "postgresql" else ""
    text = (
        "SELECT run_id FROM cihealing_execution"  # noqa: S608 - no text from outside
        f" WHERE provider = %s AND host = %s AND job_run_id = %s AND attempt = %s{lock}"
    )
    return text, (ref.provider, ref.host, ref.job_run_id, ref.attempt)


def _coarse(failed: Failed) -> Iterable[Part]:
    if not failed.parent_id or failed.coarse:
        return
    text = (
        "SELECT 'coarse', e.run_id, r.status, '' FROM cihealing_execution e"
        " JOIN cihealing_run r ON r.id = e.run_id"
        " WHERE e.provider = %s AND e.parent_id = %s AND e.host = %s AND e.coarse = %s"
        " AND (e.parent_attempt IN (0, %s) OR %s)"
    )
    ref, attempt = failed.execution, failed.parent_attempt
    # Of a check alone nobody says of which attempt it is: it may be of any.
    yield text, (ref.provider, failed.parent_id, ref.host, True, attempt, attempt == 0)


def _allowed(failed: Failed) -> Iterable[Part]:
    """What the job is part of, which ended green: CI lets the job fail."""
    if not failed.parent_id or failed.coarse or not failed.parent_attempt:
        return
    text = (
        f"SELECT 'allowed', {NOBODY}, '', '' FROM cihealing_execution e"  # noqa: S608 - a constant
        " WHERE e.provider = %s AND e.parent_id = %s AND e.host = %s AND e.coarse = %s"
        " AND e.parent_attempt = %s AND e.outcome = 'passed'"
    )
    ref = failed.execution
    yield text, (ref.provider, failed.parent_id, ref.host, True, failed.parent_attempt)


def _children(passed: Passed) -> Iterable[Part]:
    """Runs of the red jobs of what is green."""
    if not passed.coarse or not passed.parent_id:
        return
    text = (
        "SELECT 'child', r.id, r.status, r.state FROM cihealing_execution e"
        " JOIN cihealing_run r ON r.id = e.run_id"
        " WHERE e.provider = %s AND e.parent_id = %s AND e.host = %s AND e.coarse = %s"
        " AND e.parent_attempt = %s AND e.outcome = 'failed'"
        " AND r.status IN (%s, %s, %s, %s)"
    )
    ref = passed.execution
    where = (ref.provider, passed.parent_id, ref.host, False, passed.parent_attempt)
    yield text, (*where, *(str(status) for status in OPEN))


def _own(result: Failed | Passed) -> Iterable[Part]:
    """A build of a change of ours: of its commit, or of its number under another ref. A branch it
    was merged into by moving it forward is no change's.
    """
    text = (
        "SELECT 'own', id, status, state FROM cihealing_run"
        " WHERE repository = %s AND pr_url <> '' AND change_commit = %s"
    )
    yield text, (result.repository, result.commit)
    if result.change:
        text = (
            "SELECT 'own', id, status, state FROM cihealing_run"
            " WHERE repository = %s AND pr_url <> '' AND pr_url LIKE %s"
        )
        yield text, (result.repository, f"%/{result.change}")


def _waiting(result: Failed | Passed) -> Part:
    text = (
        "SELECT 'waiting', id, status, state FROM cihealing_run"
        ' WHERE repository = %s AND job = %s AND "commit" = %s AND awaiting_rerun = %s'
    )
    return text, (result.repository, result.job, result.commit, True)


def _known(failed: Failed, failure: Failure) -> Iterable[Part]:
    yield (
        f"SELECT 'silenced', {NOBODY}, '', '' FROM cihealing_ignoredfingerprint"  # noqa: S608
        " WHERE error_hash = %s",
        (failure.error_hash,),
    )
    # Not by id: a run keeps the one it began with when its failure gets another hash (`cihealing
    # rehash`).
    yield (
        "SELECT 'known', id, status, '' FROM cihealing_run"
        ' WHERE repository = %s AND "commit" = %s AND error_hash = %s',
        (failed.repository, failed.commit, failure.error_hash),
    )
    own = run_id_of(failed.repository, failed.commit, failure.error_hash)
    yield "SELECT 'taken', id, status, '' FROM cihealing_run WHERE id = %s", (_uuid(own),)


def _same_on_branch(failed: Failed, failure: Failure) -> Part:
    """Who stands for others is left out: it is not replaced by one more of them."""
    text = (
        "SELECT 'other', r.id, r.status, r.state FROM cihealing_run r"
        " WHERE r.repository = %s AND r.branch = %s AND r.error_hash = %s AND r.job = %s"
        " AND r.status IN (%s, %s, %s, %s) AND NOT EXISTS"
        " (SELECT 1 FROM cihealing_clusterclaim c WHERE c.run_id = r.id)"
    )
    where = (failed.repository, failed.branch, failure.error_hash, failed.job)
    return text, (*where, *(str(status) for status in OPEN))


def _greens(failed: Failed) -> Part:
    text = (
        f"SELECT 'greens', {NOBODY}, '', CAST(COUNT(*) AS text)"  # noqa: S608 - a constant
        " FROM cihealing_execution"
        " WHERE repository = %s AND job = %s AND outcome = 'passed'"
        ' AND "commit" = %s AND coarse = %s AND definition = %s'
    )
    where = (failed.repository, failed.job, failed.commit)
    return text, (*where, False, failed.definition)


def _open(passed: Passed) -> Part:
    """Escalated runs of the branch; of the commit itself all that are open."""
    text = (
        "SELECT 'other', id, status, state FROM cihealing_run"
        " WHERE repository = %s AND job = %s AND branch = %s"
        ' AND (status = %s OR "commit" = %s AND status IN (%s, %s, %s))'
    )
    where = (passed.repository, passed.job, passed.branch)
    escalated, others = str(RunStatus.ESCALATED), [s for s in OPEN if s != RunStatus.ESCALATED]
    return text, (*where, escalated, passed.commit, *(str(status) for status in others))


def _found(parts: Sequence[Part], result: Failed | Passed) -> Facts:
    told, key = _execution(result.execution)
    text = f"WITH told AS ({told}) {' UNION ALL '.join(part for part, _ in parts)}"
    asked = jumps.watch.uptime()
    with connection.cursor() as cursor:
        cursor.execute(text, [*key, *(value for _, values in parts for value in values)])
        rows = cursor.fetchall()
    facts = Facts(at=NEVER)
    for what, run, status, said in rows:
        _take(facts, what, UUID(str(run)) if run else None, status, said, result)
    facts.at = jumps.watch.seen(facts.at, asked)
    return facts


def _take(
    facts: Facts, what: str, run: UUID | None, status: str, said: str, result: Failed | Passed
) -> None:
    match what:
        case "at":
            at = datetime.fromisoformat(said)
            facts.at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        case "silenced":
            facts.silenced = True
        case "greens":
            facts.greens = int(said)
        case "told":
            facts.told = True
        case "allowed":
            facts.allowed = True
    if run is not None and what in RELATED:
        _take_related(facts, what, run, status, msgspec.json.decode(said), result)
    elif run is not None:
        _take_run(facts, what, run, status)


def _take_run(facts: Facts, what: str, run: UUID, status: str) -> None:
    match what:
        case "told":
            facts.told_of = Known(id=run, status=status)
        case "coarse":
            facts.told_of = facts.told_of or Known(id=run, status=status)
        case "known":
            facts.known = Known(id=run, status=status)
        case "taken":
            facts.taken = True


def _take_related(
    facts: Facts,
    what: str,
    run: UUID,
    status: str,
    state: Mapping[str, Any],
    result: Failed | Passed,
) -> None:
    match what:
        case "own" if _is_own(state, result):
            facts.own.append(run)
        case "child":
            facts.children.append(_other(run, status, state))
        case "waiting" if same_job(state, result):
            facts.waiting.append(run)
        case "other" if same_job(state, result) and same_code(state, result):
            facts.others.append(_other(run, status, state))
        case "waiting" | "other" if result.partial:
            facts.unrelated = True


def same_job(state: Mapping[str, Any], result: Failed | Passed) -> bool:
    """Whether a run's job is defined where the result's is: names alone say nothing."""
    return bool(state.get("definition", "") == result.definition)


def same_code(state: Mapping[str, Any], result: Failed | Passed) -> bool:
    """Whether a run's code and the result's lie on one branch of one repository, or under one ref:
    what nobody can tell stands apart.
    """
    if result.partial or state.get("partial") or not (result.branch or result.ref):
        return False
    if result.fork and not result.head_repository:
        return False
    of_run = (bool(state.get("fork")), state.get("head_repository", ""), state.get("ref", ""))
    return of_run == (result.fork, result.head_repository, result.ref)


def _is_own(state: Mapping[str, Any], result: Failed | Passed) -> bool:
    return not result.branch or result.branch != state.get("target")


def _other(run: UUID, status: str, state: Mapping[str, Any]) -> Known:
    failed_at = datetime.fromisoformat(state.get("failed_at") or state["created_at"])
    return Known(
        id=run,
        status=status,
        commit=state.get("commit", ""),
        patch=state.get("patch", ""),
        failed_at=failed_at,
        awaited=any(not rerun.get("outcome") for rerun in state.get("reruns", ())),
    )


def _uuid(value: UUID) -> Any:
    return value if connection.vendor == "postgresql" else value.hex
