"""Work that waits: rows written with the facts that call for it, claimed under leases with a
fencing epoch.

The broker is told which rows are due; what it forgets, the sweep finds again.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec
from celery import current_app
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from cihealing.domain import effects as f
from cihealing.domain.values import NAMESPACE
from cihealing.failpoints import failpoint
from cihealing.models import Outbox
from cihealing.outages import QUIET
from cihealing.secrecy import masked
from cihealing.service import jumps
from cihealing.store import rows

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
MAX_CLAIMS = 5
REPOKE = timedelta(seconds=30)
MOST_UNTOLD = 10_000
BARE: dict[str, Any] = {"declare": (), "argsrepr": "", "kwargsrepr": ""}
"""A hint half as dear: whoever works declares the queue, and nobody reads what a hint would say."""
FREE = """o.state = 'pending' AND o.not_before <= %s
    AND (o.lease_until IS NULL OR o.lease_until <= %s)"""
BEGUN = "o.version > 1"
"""What a run's first fact calls for, and what belongs to no run, is new."""
OLDEST_RUN = """(SELECT r.created_at FROM cihealing_run r WHERE r.id = o.run_id) NULLS LAST,
    o.not_before, o.created_at, o.version, o.ordinal"""
LONGEST_DUE = "o.not_before"
"""As the index has it: under a storm nobody sorts what waits."""
_encoder = msgspec.json.Encoder(order="deterministic")


class Fenced(Exception):
    """The lease was lost: another worker has the effect, or it was dropped."""


class UnknownEffect(Exception):
    """A newer release wrote this row; it is left for a worker that knows it."""


def effect_id(stream: UUID, version: int, name: str, ordinal: int) -> UUID:
    return uuid5(NAMESPACE, f"effect\n{stream}\n{version}\n{name}\n{ordinal}")


def enqueue(
    stream: UUID, called: Iterable[tuple[int, f.Effect]], *, run_id: UUID | None, now: datetime
) -> None:
    """Write a row for each (version, effect) and tell the broker of those due once the transaction
    commits.

    `now` is what their `not_before` was reckoned from, by the caller's clock; they wait as long by
    the database's.
    """
    enqueue_all([(stream, list(called), run_id)], now=now)


def enqueue_all(
    called: Sequence[tuple[UUID, list[tuple[int, f.Effect]], UUID | None]],
    *,
    now: datetime,
    at: datetime | None = None,
) -> None:
    """`enqueue` for each (stream, called, run), by one statement. `at`: the database's time, where
    the caller was just told it.
    """
    if not any(effects for _, effects, _ in called):
        return
    at = at or jumps.now()
    waiting = [
        _row(stream, version, i, effect, run_id, at, ahead=at - now)
        for stream, effects, run_id in called
        for i, (version, effect) in enumerate(effects)
    ]
    rows.insert(waiting)
    poke_on_commit([row.id for row in waiting if row.not_before <= at])


def _row(
    stream: UUID,
    version: int,
    ordinal: int,
    effect: f.Effect,
    run_id: UUID | None,
    at: datetime,
    *,
    ahead: timedelta,
) -> Outbox:
    name = effect.name()
    return Outbox(
        id=effect_id(stream, version, name, ordinal),
        stream=stream,
        version=version,
        ordinal=ordinal,
        name=name,
        payload=_encoder.encode(effect).decode(),
        run_id=run_id,
        not_before=effect.not_before + ahead if effect.not_before else at,
        created_at=at,
        state="pending",
    )


def decode(row: Outbox) -> f.Effect:
    """Raises UnknownEffect."""
    try:
        return msgspec.json.decode(row.payload, type=f.KINDS[row.name])
    except (KeyError, msgspec.ValidationError) as error:
        raise UnknownEffect(f"{row.name}: {error}") from error


def claim(effect: UUID) -> Outbox | None:
    """Take a due row under a lease; None where it is done, dropped, not due or another's. Its
    `claims` counts this one.
    """
    return _claimed("o.id = %s", [_uuid(effect)], order=LONGEST_DUE)


def claim_next() -> Outbox | None:
    """Take, likewise, the due row that is most wanted; None where none is.

    Runs that have begun go before what is new, the oldest first: under a storm each is healed to
    its end, and none waits for its next step behind the first steps of all others.
    """
    return _claimed(BEGUN, [], order=OLDEST_RUN) or _claimed("TRUE", [], order=LONGEST_DUE)


def _claimed(which: str, values: list[Any], *, order: str) -> Outbox | None:
    """By one statement, so that no two take the same row and nobody waits for who takes another."""
    now = jumps.now()
    at, until = _time(now), _time(now + LEASE)
    lock = " FOR UPDATE SKIP LOCKED" if _locks() else ""
    text = (
        "UPDATE cihealing_outbox SET claims = claims + 1, fence = fence + 1,"  # noqa: S608
        " lease_until = %s WHERE id IN"
        f" (SELECT o.id FROM cihealing_outbox o WHERE {which} AND {FREE}"
        f" ORDER BY {order} LIMIT 1{lock}) RETURNING *"
    )
    taken = list(Outbox.objects.raw(text, [until, *values, at, at]))
    if taken:
        failpoint("claim.after_commit")
    return taken[0] if taken else None


def _time(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def _uuid(value: UUID) -> Any:
    return value if connection.vendor == "postgresql" else value.hex


def renew(row: Outbox) -> bool:
    """Hold the lease for another 60 s; False where it was lost or the effect was dropped."""
    mine = Outbox.objects.filter(id=row.id, fence=row.fence, state="pending")
    return bool(mine.update(lease_until=jumps.now() + LEASE))


def held(row: Outbox) -> bool:
    return Outbox.objects.filter(
        id=row.id, fence=row.fence, state="pending", lease_until__gt=jumps.now()
    ).exists()


def finish(row: Outbox, *, state: str = "done") -> None:
    """Close the row, in the transaction that writes its outcome. Raises Fenced where the claim is
    not ours any more.
    """
    mine = Outbox.objects.filter(id=row.id, fence=row.fence, state="pending")
    if not mine.update(state=state, lease_until=None):
        raise Fenced(f"{row.name} {row.id}")


def release(row: Outbox, *, delay: float, error: str, counted: bool = True) -> None:
    """Give the row back, to be tried again in `delay` seconds; uncounted where trying says nothing
    about the effect.
    """
    claims = F("claims") if counted else F("claims") - 1
    mine = Outbox.objects.filter(id=row.id, fence=row.fence, state="pending")
    later = jumps.now() + timedelta(seconds=delay)
    mine.update(
        not_before=later,
        lease_until=None,
        poked_at=None,
        claims=claims,
        last_error=masked(error)[:1000],
    )


def hurry(stream: UUID, kind: type[f.Effect]) -> int:
    """What waits for a later look is due now; returns how many rows."""
    now = jumps.now()
    waiting = Outbox.objects.filter(
        stream=stream, name=kind.name(), state="pending", lease_until=None, not_before__gt=now
    )
    ids = list(waiting.values_list("id", flat=True))
    Outbox.objects.filter(id__in=ids).update(not_before=now, poked_at=None)
    poke_on_commit(ids)
    return len(ids)


def others_at_it(row: Outbox) -> bool:
    """Whether another effect of the same name and stream, older than this one, is being carried
    out.
    """
    same = Outbox.objects.filter(
        stream=row.stream, name=row.name, state="pending", lease_until__gt=jumps.now()
    )
    return (
        same.exclude(id=row.id)
        .filter(Q(version__lt=row.version) | Q(version=row.version, ordinal__lt=row.ordinal))
        .exists()
    )


def reclaim(*, counted: bool = True) -> int:
    """Free every lease; only for the one process that owns the database, at its start or end:
    whoever held them is gone.

    After a clean stop (`counted` False) the interrupted claims say nothing about their effects.
    """
    held_rows = Outbox.objects.filter(state="pending", lease_until__isnull=False)
    Outbox.objects.filter(state="pending").update(poked_at=None)
    return held_rows.update(lease_until=None, claims=F("claims") if counted else F("claims") - 1)


def drop_healing(stream: UUID, *, but: UUID | None = None) -> None:
    """The run is no longer running: what would heal it further is not wanted any more."""
    healing = f.names(lambda kind: kind.healing)
    _drop(Outbox.objects.filter(stream=stream, state="pending", name__in=healing), but)


def drop_all(stream: UUID, *, but: UUID | None = None) -> None:
    """The run has ended: only what outlives it is left."""
    outliving = f.names(lambda kind: kind.outliving)
    _drop(Outbox.objects.filter(stream=stream, state="pending").exclude(name__in=outliving), but)


def _drop(rows: QuerySet[Outbox], but: UUID | None) -> None:
    others = rows.exclude(id=but) if but else rows
    others.update(state="dropped", lease_until=None)


def irrevocable(stream: UUID) -> str | None:
    """The name of an effect on its way that cannot be taken back."""
    irrevocable = f.names(lambda kind: kind.irrevocable)
    claimed = Outbox.objects.filter(
        stream=stream, state="pending", name__in=irrevocable, lease_until__gt=jumps.now()
    )
    return claimed.values_list("name", flat=True).first()


def poke_on_commit(ids: Sequence[UUID]) -> None:
    if ids:
        transaction.on_commit(lambda: poke(ids))


def poke(ids: Sequence[UUID]) -> None:
    """Tell the broker, beside the caller: one that is away takes seconds to say so, and a delivery
    must not wait for that.
    """
    teller.tell(ids)


class BrokerTeller:
    """One thread a process that tells the broker. A lost broker delays work, it loses none: what is
    not told is dropped here.
    """

    def __init__(self) -> None:
        self._waiting: queue.Queue[UUID] = queue.Queue(MOST_UNTOLD)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._quiet_until = 0.0

    def tell(self, ids: Sequence[UUID]) -> None:
        with suppress(queue.Full):
            for effect in ids:
                self._waiting.put_nowait(effect)
        with self._lock:
            # A fork has the object and not the thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="teller", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._send(self._waiting.get())

    def _send(self, effect: UUID) -> None:
        try:
            current_app.send_task(
                "cihealing.run_effect", kwargs={"effect_id": str(effect)}, retry=False, **BARE
            )
        except Exception as error:  # every broker raises its own kind
            dropped = 1 + self._drop()
            if time.monotonic() >= self._quiet_until:
                self._quiet_until = time.monotonic() + QUIET
                logger.warning(
                    "the broker was not told of %d effects (%s): the sweep will find them",
                    dropped,
                    error,
                )

    def _drop(self) -> int:
        """It would be asked in vain for each, for seconds."""
        dropped = 0
        with suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
                dropped += 1
        return dropped


teller = BrokerTeller()


def due(limit: int = 50) -> list[UUID]:
    """The `limit` rows that are due longest and were not told of lately, in no order; marks them
    as told.
    """
    now = jumps.now()
    at = _time(now)
    lock = " FOR UPDATE SKIP LOCKED" if _locks() else ""
    text = (
        "UPDATE cihealing_outbox SET poked_at = %s WHERE id IN"  # noqa: S608 - constants
        f" (SELECT o.id FROM cihealing_outbox o WHERE {FREE}"
        " AND (o.poked_at IS NULL OR o.poked_at <= %s)"
        f" ORDER BY {LONGEST_DUE} LIMIT %s{lock}) RETURNING id"
    )
    found = Outbox.objects.raw(text, [at, at, at, _time(now - REPOKE), limit])
    return [row.id for row in found]


def _locks() -> bool:
    return bool(transaction.get_connection().features.has_select_for_update_skip_locked)


def poke_due() -> int:
    """Tell the broker of all that is due; returns how many."""
    ids = due()
    poke(ids)
    return len(ids)
