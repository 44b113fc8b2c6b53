"""Results from CI: one delivery, its executions, and the runs they begin, join, feed or end, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid5

import msgspec

from cihealing import projections, reading, store
from cihealing.domain import events as e
from cihealing.domain.effects import Effect, ExpandResult, ReadFailure
from cihealing.domain.values import NAMESPACE, Actor, Digest, Failed, Failure, Ignored, Passed, Result
from cihealing.failpoints import failpoint
from cihealing.models import Delivery, Outbox
from cihealing.reading import clean
from cihealing.secrecy import known, masked
from cihealing.service import outbox
from cihealing.service.judging import Judged, judge_failed, judge_passed
from cihealing.service.transactions import write

Told = TypeVar("Told", bound=msgspec.Struct)

COARSE_WAIT = timedelta(seconds=20)
"""How long a result of a whole workflow waits for its jobs to report themselves."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one result."""

    run_id: UUID | None
    status: str
    deduplicated: bool
    ignored: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    delivery: UUID
    status: str
    """`reading` while a log is still to be fetched, else `done`."""
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, kw_only=True)
class Read:
    """One result, redacted and read where it carries its log."""

    result: Result
    log: str = ""
    failure: Failure | None = None


def delivery_id_of(hook: str, key: str) -> UUID:
    return uuid5(NAMESPACE, f"delivery\n{hook}\n{key}")


def receive(*, hook: str, provider: str, delivery_id: str, results: Sequence[Result], now: datetime) -> Receipt:
    """Store a delivery and what follows from it. The same delivery again gets the answer of the first."""
    stream = delivery_id_of(hook, delivery_id)
    known = _receipt(stream, repeated=True)
    if known:
        return known
    read = [read_result(result) for result in results]
    receipt = write(lambda: _receive(stream, hook, provider, delivery_id, read, now))
    failpoint("receive.after_commit")
    return receipt


def _receipt(stream: UUID, *, repeated: bool) -> Receipt | None:
    row = Delivery.objects.filter(id=stream).first()
    if row is None:
        return None
    told = msgspec.json.decode(row.outcomes)
    outcomes = tuple(
        Outcome(
            run_id=UUID(o["runId"]) if o["runId"] else None,
            status=o["status"],
            deduplicated=o["deduplicated"] or (repeated and bool(o["runId"])),
            ignored=o["ignored"],
        )
        for o in told
    )
    return Receipt(delivery=row.id, status=row.status, outcomes=outcomes)


def _receive(stream: UUID, hook: str, provider: str, key: str, read: Sequence[Read], now: datetime) -> Receipt:
    known = _receipt(stream, repeated=True)
    if known:
        return known
    logs = tuple(store.put(r.log, kind="log", now=now) if r.log else "" for r in read)
    received = e.DeliveryReceived(hook=hook, key=masked(key), provider=provider, results=tuple(r.result for r in read), logs=logs)
    judged, effects = _judge_all(read, logs, now)
    _record(stream, [received, *judged], effects, version=0, source=f"webhook:{provider}", now=now)
    failpoint("receive.before_commit")
    receipt = _receipt(stream, repeated=False)
    assert receipt is not None
    return receipt


def _judge_all(read: Sequence[Read], logs: Sequence[Digest], now: datetime, *, first: int = 0) -> tuple[list[e.ResultJudged], list[Effect]]:
    judged: list[e.ResultJudged] = []
    effects: list[Effect] = []
    for position, (one, log) in enumerate(zip(read, logs, strict=True), start=first):
        found = _judge(one, log, now)
        if isinstance(found, Judged):
            judged.append(_event(position, found))
        else:
            effects.append(_reading(position, one.result, now))
    return judged, effects


def _judge(read: Read, log: Digest, now: datetime) -> Judged | None:
    """What becomes of a result; None where its log must be fetched first."""
    match read.result:
        case Ignored(reason=reason):
            return Judged(status="ignored", ignored=reason)
        case Passed() as passed:
            return judge_passed(passed, now=now)
        case Failed() as failed:
            return judge_failed(failed, read.failure, log=log, now=now) if read.failure else None


def _reading(position: int, result: Result, now: datetime) -> Effect:
    coarse = isinstance(result, Failed) and result.coarse
    return ExpandResult(position=position, not_before=now + COARSE_WAIT) if coarse else ReadFailure(position=position)


def _event(position: int, judged: Judged, *, log: Digest = "") -> e.ResultJudged:
    return e.ResultJudged(
        position=position, run=judged.run, status=judged.status, deduplicated=judged.deduplicated, ignored=judged.ignored, log=log
    )


def _record(
    stream: UUID, events: Sequence[e.DeliveryEvent], effects: Sequence[Effect], *, version: int, source: str, now: datetime
) -> None:
    actor = Actor(kind="ci", name=source)
    envelopes = [e.Envelope(event=event, at=now, actor=actor, source=source) for event in events]
    store.append(stream, envelopes, expected_version=version)
    projections.project_delivery(stream, store.load(stream))
    outbox.enqueue(stream, [(version + len(events), effect) for effect in effects], run_id=None, now=now)


# ---------------------------------------------------------------- reading


def read_result(result: Result) -> Read:
    """Redact a result, and read its log where it carries one. Nothing unredacted leaves this function."""
    if isinstance(result, Ignored):
        return Read(result=Ignored(reason=masked(result.reason)))
    if isinstance(result, Passed):
        return Read(result=redacted(result), log=masked(clean.plain(result.log)) if result.log else "")
    if result.log is None:
        return Read(result=redacted(result))
    failure, log = read_log(result, result.log)
    return Read(result=redacted(result), log=log, failure=failure)


def read_log(failed: Failed, log: str) -> tuple[Failure, str]:
    """(failure, redacted log). A log that names no failure gives a weak one."""
    found = reading.read(log, green=projections.green_logs(failed.repository, failed.job), known_secrets=known())
    if found.failure is not None:
        return found.failure, found.redacted_log
    reason = (
        "The log was sent, but no line of it says what failed." if log.strip() else "No log was sent: `cihealing notify --log` sends it."
    )
    return weak_failure(failed, reason), found.redacted_log


def weak_failure(failed: Failed, reason: str) -> Failure:
    """What job, step and conclusion alone say."""
    return reading.weak_failure(job=failed.job, step=failed.step, conclusion=failed.conclusion, reason=masked(reason))


def redacted(result: Failed | Passed) -> Result:
    """The result without its log and without secrets in any of its texts: a sender may write one wherever it writes anything."""
    bare = msgspec.structs.replace(result, log=None, execution=_without_secrets(result.execution))
    return _without_secrets(bare)


def _without_secrets(told: Told) -> Told:
    texts = {name: value for name in told.__struct_fields__ if isinstance(value := getattr(told, name), str) and value}
    return msgspec.structs.replace(told, **{name: masked(text) for name, text in texts.items()})


# ---------------------------------------------------------------- what is read later


def record_read(delivery: UUID, position: int, failure: Failure | None, log: str, *, row: Outbox, now: datetime) -> None:
    """The log of a result was fetched and read (`failure` None: its execution was judged meanwhile)."""
    write(lambda: _record_read(delivery, position, failure, log, row, now))


def _record_read(delivery: UUID, position: int, failure: Failure | None, log: str, row: Outbox, now: datetime) -> None:
    outbox.finish(row)
    envelopes = store.load(delivery)
    result, _ = projections.results(envelopes)[position]
    if projections.outcomes(envelopes)[position] is not None or not isinstance(result, Failed):
        return
    digest = store.put(log, kind="log", now=now) if log else ""
    judged = judge_failed(result, failure, log=digest, now=now)
    _record(delivery, [_event(position, judged, log=digest)], [], version=len(envelopes), source="read_failure", now=now)


def record_expanded(delivery: UUID, position: int, results: Sequence[Result], ignored: str, *, row: Outbox, now: datetime) -> None:
    """A coarse result became these job results; it is itself only noted."""
    read = [read_result(result) for result in results]
    write(lambda: _record_expanded(delivery, position, read, ignored, row, now))


def _record_expanded(delivery: UUID, position: int, read: Sequence[Read], ignored: str, row: Outbox, now: datetime) -> None:
    outbox.finish(row)
    envelopes = store.load(delivery)
    if projections.outcomes(envelopes)[position] is not None:
        return
    first = len(projections.results(envelopes))
    logs = [store.put(r.log, kind="log", now=now) if r.log else "" for r in read]
    judged, effects = _judge_all(read, logs, now, first=first)
    noted = e.ResultJudged(position=position, status="ignored", ignored=ignored)
    expanded = [e.ResultExpanded(position=position, results=tuple(r.result for r in read))] if read else []
    _record(delivery, [*expanded, noted, *judged], effects, version=len(envelopes), source="expand_result", now=now)
