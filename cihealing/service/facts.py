"""What the database knows that decides about one result, by one statement.

Read inside the transaction that stores the delivery, after `one_at_a_time`: nobody else judges a
result of the same job until it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
Part = tuple[str, Sequence[Any]]
"""A SELECT of (what it found, a run, its status, text) and its parameters."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A run, as far as it decides anything here."""

    id: UUID
    status: str = ""
    patch: str = ""
    failed_at: datetime = NEVER


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


def of_failed(failed: Failed, failure: Failure | None) -> Facts:
    parts = [_clock(), _told_before(), *_coarse(failed), _waiting(failed)]
    if failure is not None:
        parts += [*_known(failed, failure), _same_on_branch(failed, failure), _greens(failed)]
    return _found(parts, failed.execution)


def of_passed(passed: Passed) -> Facts:
    parts = [_clock(), _told_before(), _waiting(passed), _escalated(passed)]
    return _found(parts, passed.execution)


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
    )
    ref = failed.execution
    yield text, (ref.provider, failed.parent_id, ref.host, True)


def _waiting(result: Failed | Passed) -> Part:
    text = (
        "SELECT 'waiting', id, status, '' FROM cihealing_run"
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
        ' AND "commit" = %s AND coarse = %s'
    )
    return text, (failed.repository, failed.job, failed.commit, False)


def _escalated(passed: Passed) -> Part:
    text = (
        "SELECT 'other', id, status, state FROM cihealing_run"
        " WHERE repository = %s AND job = %s AND branch = %s AND status = %s"
        ' AND "commit" <> %s'
    )
    return text, (
        passed.repository,
        passed.job,
        passed.branch,
        str(RunStatus.ESCALATED),
        passed.commit,
    )


def _found(parts: Sequence[Part], ref: ExecutionRef) -> Facts:
    told, key = _execution(ref)
    text = f"WITH told AS ({told}) {' UNION ALL '.join(part for part, _ in parts)}"
    asked = jumps.watch.uptime()
    with connection.cursor() as cursor:
        cursor.execute(text, [*key, *(value for _, values in parts for value in values)])
        rows = cursor.fetchall()
    facts = Facts(at=NEVER)
    for what, run, status, said in rows:
        _take(facts, what, UUID(str(run)) if run else None, status, said)
    facts.at = jumps.watch.seen(facts.at, asked)
    return facts


def _take(facts: Facts, what: str, run: UUID | None, status: str, said: str) -> None:
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
    if run is not None:
        _take_run(facts, what, run, status, said)


def _take_run(facts: Facts, what: str, run: UUID, status: str, said: str) -> None:
    match what:
        case "told":
            facts.told_of = Known(id=run, status=status)
        case "coarse":
            facts.told_of = facts.told_of or Known(id=run, status=status)
        case "known":
            facts.known = Known(id=run, status=status)
        case "taken":
            facts.taken = True
        case "waiting":
            facts.waiting.append(run)
        case "other":
            facts.others.append(_other(run, status, said))


def _other(run: UUID, status: str, said: str) -> Known:
    state = msgspec.json.decode(said)
    failed_at = datetime.fromisoformat(state.get("failed_at") or state["created_at"])
    return Known(id=run, status=status, patch=state.get("patch", ""), failed_at=failed_at)


def _uuid(value: UUID) -> Any:
    return value if connection.vendor == "postgresql" else value.hex
