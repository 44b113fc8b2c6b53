"""Fingerprints by newer rules: the stored log of a run is read again, and its failure gets the hash
that a new delivery of it would get.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cihealing import reading, store
from cihealing.domain import commands as c
from cihealing.domain.run import RunState
from cihealing.domain.values import Actor
from cihealing.models import BaseClaim, Run
from cihealing.reading.fingerprint import VERSION
from cihealing.service.fingerprints import carry_over
from cihealing.service.handling import Cause, get, handle_inside
from cihealing.service.transactions import one_at_a_time, write
from cihealing.store import projections


@dataclass(frozen=True, kw_only=True)
class Rehashed:
    """What became of the fingerprint of one run. `kept` says why it is the old one still; empty
    where it has a new one.
    """

    run_id: UUID
    old: str
    new: str
    kept: str = ""


def outdated() -> list[UUID]:
    """Runs whose fingerprint is by older rules, in the order they began."""
    rows = Run.objects.exclude(error_hash__startswith=f"{VERSION}:").order_by("created_at", "id")
    return list(rows.values_list("id", flat=True))


def rehash(run_id: UUID, *, by: Actor, dry: bool = False) -> Rehashed:
    """Record the fingerprint of a run by today's rules; `dry` only says what it would be. Doing it
    twice changes nothing.

    Raises NoSuchRun.
    """
    run = get(run_id)
    found = _read_again(run)
    if isinstance(found, str):
        return Rehashed(
            run_id=run_id, old=run.failure.error_hash, new=run.failure.error_hash, kept=found
        )
    return _rehashed(run, found, "") if dry else write(lambda: _recorded(run, found, by))


def _read_again(run: RunState) -> c.Rehash | str:
    """The hash by today's rules, or why there is none."""
    if run.failure.log:
        raw = store.artifact_bytes(run.failure.log)
        if raw is None:
            return "its log is purged"
        read = reading.read(
            raw.decode("utf-8", "replace"),
            green=projections.green_logs(run.failure.repository, run.failure.job),
        )
        if read.failure:
            return c.Rehash(error_hash=read.failure.error_hash, strong=True)
    if run.failure.strong:
        return "its log names no failure any more" if run.failure.log else "its log was not stored"
    told = reading.weak_failure(
        job=run.failure.job, step=run.failure.step, conclusion=run.failure.error_type, reason=""
    )
    return c.Rehash(error_hash=told.error_hash, strong=False)


def _recorded(run: RunState, found: c.Rehash, by: Actor) -> Rehashed:
    one_at_a_time(run.failure.repository, run.failure.job)
    carry_over(run.failure.error_hash, found.error_hash, by=by)
    if taken := _taken(run, found.error_hash):
        return _rehashed(run, found, f"run {taken} of this commit or base has the new one")
    handle_inside(run.id, found, cause=Cause(actor=by, source="rehash"), now=datetime.now(UTC))
    return _rehashed(run, found, "")


def _taken(run: RunState, error_hash: str) -> UUID | None:
    """Where newer rules make two failures one, the first run to get the hash has it."""
    same = Run.objects.filter(
        repository=run.failure.repository, commit=run.failure.commit, error_hash=error_hash
    ).exclude(id=run.id)
    claims = BaseClaim.objects.filter(
        repository=run.failure.repository, branch=run.blame.claimed_base, error_hash=error_hash
    ).exclude(run_id=run.id)
    found = same.values_list("id", flat=True).first()
    return found or (
        claims.values_list("run_id", flat=True).first()
        if run.blame.claimed_base and run.open
        else None
    )


def _rehashed(run: RunState, found: c.Rehash, kept: str) -> Rehashed:
    return Rehashed(
        run_id=run.id,
        old=run.failure.error_hash,
        new=run.failure.error_hash if kept else found.error_hash,
        kept=kept,
    )
