"""Results from CI: one delivery, its executions, and the runs they begin, join, feed or end, in one
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import msgspec

from cihealing import store
from cihealing.domain import events as e
from cihealing.domain.effects import Effect, ExpandResult, ReadFailure
from cihealing.domain.values import (
    NAMESPACE,
    Actor,
    Digest,
    Failed,
    Failure,
    Ignored,
    Passed,
    Result,
)
from cihealing.failpoints import failpoint
from cihealing.models import Delivery, Outbox
from cihealing.secrecy import masked
from cihealing.service import earlier, outbox, waiting
from cihealing.service.earlier import Greens
from cihealing.service.judging import Judged, judge_failed, judge_passed
from cihealing.service.logs import ReadResult, large, put_by, read_result
from cihealing.service.transactions import write
from cihealing.service.writing import Writing
from cihealing.store import Packed, firsts, projections

COARSE_WAIT = timedelta(seconds=20)
"""How long a result of a whole workflow waits for its jobs to report themselves."""


@dataclass(frozen=True, kw_only=True)
class ResultOutcome:
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
    outcomes: tuple[ResultOutcome, ...]


def each_once(results: Sequence[Result]) -> list[Result]:
    """Without what tells of an execution again within one delivery: the first telling counts."""
    found: dict[object, Result] = {}
    for position, result in enumerate(results):
        key = result.execution if isinstance(result, Failed | Passed) else position
        found.setdefault(key, result)
    return list(found.values())


def delivery_id_of(hook: str, key: str) -> UUID:
    return uuid5(NAMESPACE, f"delivery\n{hook}\n{key}")


class Repeated(Exception):
    """Another request stored this very delivery meanwhile."""


def receive(
    *, hook: str, provider: str, delivery_id: str, results: Sequence[Result], now: datetime
) -> Receipt:
    """Store a delivery and what follows from it. The same delivery again gets the answer of the
    first. Raises waiting.NoRoom.
    """
    stream = delivery_id_of(hook, delivery_id)
    results = each_once(results)
    told, greens = earlier.look(stream, results)
    if told:
        return _receipt(stream, *told, repeated=True)
    read = _read(stream, results, greens)
    received = e.DeliveryReceived(
        hook=hook,
        key=masked(delivery_id),
        provider=provider,
        results=tuple(r.result for r in read),
        logs=tuple(r.log.digest if r.log else "" for r in read),
    )
    try:
        receipt = write(lambda: _receive(stream, received, read, now))
    except Repeated:
        return _stored(stream)
    failpoint("receive.after_commit")
    return receipt


def _read(stream: UUID, results: Sequence[Result], greens: Greens) -> list[ReadResult]:
    if large(results, greens):
        return [put_by(result, stream, i) for i, result in enumerate(results)]
    return [read_result(result, greens) for result in results]


def _stored(stream: UUID) -> Receipt:
    row = Delivery.objects.get(id=stream)
    return _receipt(stream, row.status, row.outcomes, repeated=True)


def _receipt(delivery: UUID, status: str, outcomes: str, *, repeated: bool) -> Receipt:
    told = tuple(
        ResultOutcome(
            run_id=UUID(o["runId"]) if o["runId"] else None,
            status=o["status"],
            deduplicated=o["deduplicated"] or (repeated and bool(o["runId"])),
            ignored=o["ignored"],
        )
        for o in msgspec.json.decode(outcomes)
    )
    return Receipt(delivery=delivery, status=status, outcomes=told)


def _receive(
    stream: UUID, received: e.DeliveryReceived, read: Sequence[ReadResult], now: datetime
) -> Receipt:
    sealed = [r.sealed for r in read if r.sealed]
    # The bound and the one place of each log would refuse a repetition before its stream does.
    if sealed and Delivery.objects.filter(id=stream).exists():
        raise Repeated
    waiting.put(stream, sealed, now=now)
    writing = Writing(now)
    for one in read:
        if one.log:
            writing.keep(one.log, kind="log")
    judged = _judge_all(read, received.logs, writing)
    source = f"webhook:{received.provider}"
    envelopes = writing.begin(stream, _envelopes([received, *judged.events], source, now))
    called = [(len(envelopes), effect) for effect in judged.effects]
    writing.call(stream, called, run_id=None)
    try:
        writing.flush()
    except store.StreamMoved:
        if Delivery.objects.filter(id=stream).exists():
            raise Repeated from None
        raise
    row = firsts.begin_delivery(stream, envelopes, told=judged.told)
    failpoint("receive.before_commit")
    return _receipt(stream, row.status, row.outcomes, repeated=False)


@dataclass(kw_only=True)
class JudgedAll:
    """What became of several results, and the effects that read the others."""

    events: list[e.ResultJudged] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    told: dict[int, bool] = field(default_factory=dict)
    """Position -> whether another delivery told of that execution, of those that were judged."""


def _judge_all(
    read: Sequence[ReadResult], logs: Sequence[Digest], writing: Writing, *, first: int = 0
) -> JudgedAll:
    found = JudgedAll()
    for position, (one, log) in enumerate(zip(read, logs, strict=True), start=first):
        judged = _judge(one, log, writing)
        if judged is None:
            found.effects.append(_reading(position, one.result, writing.now))
            continue
        found.events.append(_event(position, judged))
        found.told[position] = judged.told
    return found


def _judge(read: ReadResult, log: Digest, writing: Writing) -> Judged | None:
    """What becomes of a result; None where its log must be fetched or read first."""
    if read.sealed:
        return None
    match read.result:
        case Ignored(reason=reason):
            return Judged(status="ignored", ignored=reason)
        case Passed() as passed:
            return judge_passed(passed, writing=writing)
        case Failed() as failed:
            return (
                judge_failed(failed, read.failure, log=log, writing=writing)
                if read.failure
                else None
            )


def _reading(position: int, result: Result, now: datetime) -> Effect:
    coarse = isinstance(result, Failed) and result.coarse
    return (
        ExpandResult(position=position, not_before=now + COARSE_WAIT)
        if coarse
        else ReadFailure(position=position)
    )


def _event(
    position: int, judged: Judged, *, log: Digest = "", identified: Failed | Passed | None = None
) -> e.ResultJudged:
    return e.ResultJudged(
        position=position,
        run=judged.run,
        status=judged.status,
        deduplicated=judged.deduplicated,
        ignored=judged.ignored,
        log=log,
        identified=identified,
    )


def _record(
    stream: UUID,
    events: Sequence[e.DeliveryEvent],
    effects: Sequence[Effect],
    *,
    version: int,
    source: str,
    now: datetime,
) -> None:
    envelopes = _envelopes(events, source, now)
    store.append(stream, envelopes, expected_version=version)
    projections.project_delivery(stream, store.load(stream))
    outbox.enqueue(
        stream, [(version + len(events), effect) for effect in effects], run_id=None, now=now
    )


def _envelopes(events: Sequence[e.DeliveryEvent], source: str, now: datetime) -> list[e.Envelope]:
    actor = Actor(kind="ci", name=source)
    return [e.Envelope(event=event, at=now, actor=actor, source=source) for event in events]


def record_read(
    delivery: UUID,
    position: int,
    failure: Failure | None,
    log: Packed | None,
    *,
    row: Outbox,
    now: datetime,
    identified: Failed | Passed | None = None,
) -> None:
    """The log of a result was had and read (`failure` None: its execution was judged meanwhile, or
    it passed). `identified`: the result, with what its sender did not say.
    """
    write(lambda: _record_read(delivery, position, failure, log, row, now, identified))


def _record_read(
    delivery: UUID,
    position: int,
    failure: Failure | None,
    log: Packed | None,
    row: Outbox,
    now: datetime,
    identified: Failed | Passed | None,
) -> None:
    outbox.finish(row)
    waiting.drop(delivery, position)
    envelopes = store.load(delivery)
    result, _ = projections.results(envelopes)[position]
    if projections.outcomes(envelopes)[position] is not None or isinstance(result, Ignored):
        return
    told, result = result, identified or result
    writing = Writing(now)
    digest = writing.keep(log, kind="log") if log else ""
    judged: Judged | None = (
        judge_passed(result, writing=writing, asked=True)
        if isinstance(result, Passed)
        else judge_failed(result, failure, log=digest, writing=writing)
    )
    writing.flush()
    assert judged is not None
    _record(
        delivery,
        [_event(position, judged, log=digest, identified=None if result == told else result)],
        [],
        version=len(envelopes),
        source=ReadFailure.name(),
        now=now,
    )


def record_expanded(
    delivery: UUID,
    position: int,
    results: Sequence[Result],
    ignored: str,
    *,
    row: Outbox,
    now: datetime,
) -> None:
    """A coarse result became these job results; it is itself only noted."""
    results = each_once(results)
    _, greens = earlier.look(delivery, results)
    read = [read_result(result, greens) for result in results]
    write(lambda: _record_expanded(delivery, position, read, ignored, row, now))


def _record_expanded(
    delivery: UUID,
    position: int,
    read: Sequence[ReadResult],
    ignored: str,
    row: Outbox,
    now: datetime,
) -> None:
    outbox.finish(row)
    envelopes = store.load(delivery)
    if projections.outcomes(envelopes)[position] is not None:
        return
    first = len(projections.results(envelopes))
    writing = Writing(now)
    logs = [writing.keep(r.log, kind="log") if r.log else "" for r in read]
    judged = _judge_all(read, logs, writing, first=first)
    writing.flush()
    noted = e.ResultJudged(position=position, status="ignored", ignored=ignored)
    expanded = (
        [e.ResultExpanded(position=position, results=tuple(r.result for r in read))] if read else []
    )
    _record(
        delivery,
        [*expanded, noted, *judged.events],
        judged.effects,
        version=len(envelopes),
        source=ExpandResult.name(),
        now=now,
    )
