"""Results from CI: one delivery, its executions, and the runs they begin, join, feed or end, in one
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid5

import msgspec
from django.conf import settings

from cihealing import apart, reading, store
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
from cihealing.reading import clean
from cihealing.secrecy import known, masked
from cihealing.service import earlier, outbox, waiting
from cihealing.service.earlier import Greens
from cihealing.service.judging import Judged, judge_failed, judge_passed
from cihealing.service.transactions import write
from cihealing.service.writing import Writing
from cihealing.store import Packed, firsts, projections

Told = TypeVar("Told", bound=msgspec.Struct)

COARSE_WAIT = timedelta(seconds=20)
"""How long a result of a whole workflow waits for its jobs to report themselves."""
LARGE = 1_000_000
"""Characters of logs in one body up to which they are read in the request, which then knows what
became of them.
"""


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
    log: Packed | None = None
    """Redacted."""
    failure: Failure | None = None
    sealed: waiting.Sealed | None = None
    """A log that is read later."""


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


def _read(stream: UUID, results: Sequence[Result], greens: Greens) -> list[Read]:
    if large(results, greens):
        return [put_by(result, stream, i) for i, result in enumerate(results)]
    return [read_result(result, greens) for result in results]


def _stored(stream: UUID) -> Receipt:
    row = Delivery.objects.get(id=stream)
    return _receipt(stream, row.status, row.outcomes, repeated=True)


def _receipt(delivery: UUID, status: str, outcomes: str, *, repeated: bool) -> Receipt:
    told = tuple(
        Outcome(
            run_id=UUID(o["runId"]) if o["runId"] else None,
            status=o["status"],
            deduplicated=o["deduplicated"] or (repeated and bool(o["runId"])),
            ignored=o["ignored"],
        )
        for o in msgspec.json.decode(outcomes)
    )
    return Receipt(delivery=delivery, status=status, outcomes=told)


def _receive(
    stream: UUID, received: e.DeliveryReceived, read: Sequence[Read], now: datetime
) -> Receipt:
    waiting.put(stream, [r.sealed for r in read if r.sealed], now=now)
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
    read: Sequence[Read], logs: Sequence[Digest], writing: Writing, *, first: int = 0
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


def _judge(read: Read, log: Digest, writing: Writing) -> Judged | None:
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


def _event(position: int, judged: Judged, *, log: Digest = "") -> e.ResultJudged:
    return e.ResultJudged(
        position=position,
        run=judged.run,
        status=judged.status,
        deduplicated=judged.deduplicated,
        ignored=judged.ignored,
        log=log,
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


def large(results: Sequence[Result], greens: Greens) -> bool:
    """Whether reading the logs they carry takes longer than a request may: then it is an effect."""
    logs = [
        (result, result.log) for result in results if not isinstance(result, Ignored) and result.log
    ]
    if sum(len(log) for _, log in logs) > LARGE:
        return True
    return any(greens.large(r) for r, _ in logs if isinstance(r, Failed))


def put_by(result: Result, delivery: UUID, position: int) -> Read:
    """A result whose log, where it carries one, is sealed and read later. Nothing unredacted and
    open leaves this function.
    """
    if isinstance(result, Ignored) or not result.log:
        return read_result(result, Greens())
    return Read(result=redacted(result), sealed=waiting.seal(delivery, position, result.log))


def read_result(result: Result, greens: Greens) -> Read:
    """Redact a result, and read its log where it carries one. Nothing unredacted leaves this
    function.
    """
    if isinstance(result, Ignored):
        return Read(result=Ignored(reason=masked(result.reason)))
    if isinstance(result, Passed):
        return Read(
            result=redacted(result),
            log=store.pack(masked(clean.plain(result.log))) if result.log else None,
        )
    if result.log is None:
        return Read(result=redacted(result))
    failure, log = read_log(result, result.log, greens=greens)
    return Read(result=redacted(result), log=log, failure=failure)


def read_log(
    failed: Failed, log: str, *, greens: Greens | None = None
) -> tuple[Failure, Packed | None]:
    """(failure, redacted log). A log that names no failure gives a weak one. Raises what
    `apart.read` raises, for a large log.
    """
    greens = greens or earlier.greens_of(failed)
    if len(log) > LARGE or greens.large(failed):
        failure, redacted_log = read_apart(failed, log.encode("utf-8", "replace"))
        assert failure is not None
        return failure, redacted_log
    found = reading.read(log, green=greens.logs(failed), known_secrets=known())
    kept = store.pack(found.redacted_log) if found.redacted_log else None
    return found.failure or _silent(failed, blank=not log.strip()), kept


def read_waiting(
    result: Failed | Passed, *, delivery: UUID, position: int
) -> tuple[Failure | None, Packed | None] | None:
    """What `read_apart` gives of the log that came with the delivery; None where none waits."""
    log = waiting.get(delivery, position)
    return None if log is None else read_apart(result, log)


def read_apart(result: Failed | Passed, log: bytes) -> tuple[Failure | None, Packed | None]:
    """(failure, redacted log), of a log in UTF-8; of a passing one there is no failure. Raises what
    `apart.read` raises.
    """
    failed = isinstance(result, Failed)
    green = projections.packed_green_logs(result.repository, result.job) if failed else []
    read = apart.read(
        log, green=green, known=known(), failed=failed, rules=settings.CI_HEALING["RULES_DIR"]
    )
    kept = Packed(digest=read.digest, size=read.size, content=read.log) if read.size else None
    return (read.failure or _silent(result, blank=read.blank)) if isinstance(
        result, Failed
    ) else None, kept


def _silent(failed: Failed, *, blank: bool) -> Failure:
    """The failure of a log that names none."""
    reason = (
        "No log was sent: `cihealing notify --log` sends it."
        if blank
        else "The log was sent, but no line of it says what failed."
    )
    return weak_failure(failed, reason)


def weak_failure(failed: Failed, reason: str) -> Failure:
    """What job, step and conclusion alone say."""
    return reading.weak_failure(
        job=failed.job, step=failed.step, conclusion=failed.conclusion, reason=masked(reason)
    )


def redacted(result: Failed | Passed) -> Result:
    """The result without its log and without secrets in any of its texts: a sender may write one
    wherever it writes anything.
    """
    bare = msgspec.structs.replace(result, log=None, execution=_without_secrets(result.execution))
    return _without_secrets(bare)


def _without_secrets(told: Told) -> Told:
    texts = {
        name: value
        for name in told.__struct_fields__
        if isinstance(value := getattr(told, name), str) and value
    }
    return msgspec.structs.replace(told, **{name: masked(text) for name, text in texts.items()})


def record_read(
    delivery: UUID,
    position: int,
    failure: Failure | None,
    log: Packed | None,
    *,
    row: Outbox,
    now: datetime,
) -> None:
    """The log of a result was had and read (`failure` None: its execution was judged meanwhile, or
    it passed).
    """
    write(lambda: _record_read(delivery, position, failure, log, row, now))


def _record_read(
    delivery: UUID,
    position: int,
    failure: Failure | None,
    log: Packed | None,
    row: Outbox,
    now: datetime,
) -> None:
    outbox.finish(row)
    waiting.drop(delivery, position)
    envelopes = store.load(delivery)
    result, _ = projections.results(envelopes)[position]
    if projections.outcomes(envelopes)[position] is not None or isinstance(result, Ignored):
        return
    writing = Writing(now)
    digest = writing.keep(log, kind="log") if log else ""
    judged = (
        judge_passed(result, writing=writing)
        if isinstance(result, Passed)
        else judge_failed(result, failure, log=digest, writing=writing)
    )
    writing.flush()
    _record(
        delivery,
        [_event(position, judged, log=digest)],
        [],
        version=len(envelopes),
        source="read_failure",
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
    _, greens = earlier.look(delivery, results)
    read = [read_result(result, greens) for result in results]
    write(lambda: _record_expanded(delivery, position, read, ignored, row, now))


def _record_expanded(
    delivery: UUID, position: int, read: Sequence[Read], ignored: str, row: Outbox, now: datetime
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
        source="expand_result",
        now=now,
    )
