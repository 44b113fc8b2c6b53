"""One effect from claim to outcome. The capability runs outside any transaction; its command is
handled in one with the row's end.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection

from cihealing import ending, outages, store
from cihealing.domain import commands as c
from cihealing.domain import effects as f
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Failed, Ignored
from cihealing.failpoints import failpoint
from cihealing.models import Outbox
from cihealing.outages import Outage
from cihealing.ports import Again, Cancelled, PermanentError, Tools, TransientError
from cihealing.secrecy import masked
from cihealing.service import jumps, outbox, policies
from cihealing.service.handling import Cause, get, handle
from cihealing.service.lease import Lease
from cihealing.service.logs import weak_failure
from cihealing.service.receiving import record_read
from cihealing.store import projections

logger = logging.getLogger(__name__)

PATIENCE = timedelta(hours=6)
"""How long an effect may wait for what another side said will come."""
LATER = 900.0
"""Seconds until what is never given up is tried again."""
PAUSE = 1.0
"""Seconds between two tries to give a row back."""


class Capability(Protocol):
    """Code that carries out one kind of effect: gather, do, answer with a command (None: nothing to
    tell).
    """

    def __call__(
        self, effect: f.RunEffect | f.LoneEffect, *, run: RunState, policy: Policy, tools: Tools
    ) -> c.RunCommand | None: ...


class Reader(Protocol):
    """Code that reads or expands one result of a delivery, and records it with the end of `row`.
    Only reading meets passed ones.
    """

    def __call__(
        self, result: Any, /, *, position: int, delivery: UUID, row: Outbox, tools: Tools
    ) -> None: ...


Capabilities = Mapping[str, Capability]
Readers = Mapping[str, Reader]


def run_effect(
    effect_id: UUID, *, tools: Tools, capabilities: Capabilities, readers: Readers
) -> bool:
    """Claim the effect and carry it out; False where there was nothing to claim or effects are
    switched off.
    """
    row = outbox.claim(effect_id) if policies.current().enabled else None
    return row is not None and _run(row, tools, capabilities, readers)


def run_next(*, tools: Tools, capabilities: Capabilities, readers: Readers) -> bool:
    """The same for the effect that is most wanted now. Whoever was told of one takes that: as many
    are taken as were told of, each run's next before what is new.
    """
    row = outbox.claim_next() if policies.current().enabled else None
    return row is not None and _run(row, tools, capabilities, readers)


def _run(row: Outbox, tools: Tools, capabilities: Capabilities, readers: Readers) -> bool:
    try:
        _claimed(row, tools, capabilities, readers)
    except outbox.UnknownEffect as error:
        outbox.release(row, delay=30, error=str(error), counted=False)
    except store.UnknownEvent as error:
        outbox.release(row, delay=30, error=str(error), counted=False)
    except outbox.Fenced:
        logger.warning(
            "%s %s was taken over or dropped meanwhile: its outcome is not recorded",
            row.name,
            row.id,
        )
    except Cancelled:
        outbox.release(row, delay=0, error="called off", counted=False)
    except Again as again:
        outbox.release(row, delay=again.delay, error="", counted=False)
    except TransientError as error:
        _later(row, error)
    except PermanentError as error:
        _give_up(row, str(error))
    except Exception as error:
        _broke_off(row, error)
    return True


def _claimed(row: Outbox, tools: Tools, capabilities: Capabilities, readers: Readers) -> None:
    effect = outbox.decode(row)
    if row.claims >= outbox.MAX_CLAIMS:
        _give_up(
            row,
            f"claimed {row.claims} times without an outcome; last:"
            f" {row.last_error or 'the worker was lost'}",
        )
        return
    if effect.one_at_a_time and outbox.others_at_it(row):
        raise Again(2.0)
    with Lease(row) as lease, tools.cancelling(lease.lost):
        if isinstance(effect, f.LoneEffect):
            capabilities[row.name](
                effect, run=RunState(id=row.stream), policy=policies.current(), tools=tools
            )
            outbox.finish(row)
        elif isinstance(effect, f.RunEffect) and row.run_id is not None:
            _carry_out(row, row.run_id, effect, tools, capabilities)
        else:
            _read(row, effect, tools, readers)


def _carry_out(
    row: Outbox, run_id: UUID, effect: f.RunEffect, tools: Tools, capabilities: Capabilities
) -> None:
    run = get(run_id)
    if not effect.wanted(run):
        outbox.finish(row, state="dropped")
        return
    failpoint("capability.before")
    command = (
        effect.command()
        if isinstance(effect, f.Timer)
        else capabilities[row.name](effect, run=run, policy=policies.of(run), tools=tools)
    )
    failpoint("capability.after")
    if command is None:
        outbox.finish(row)
        return
    handle(run_id, command, cause=Cause(source=row.name), effect=row)


def _read(row: Outbox, effect: f.Effect, tools: Tools, readers: Readers) -> None:
    if not isinstance(effect, f.DeliveryEffect):
        raise PermanentError(f"{row.name} belongs to a run, and this row names none")
    envelopes = store.load(row.stream)
    result, _ = projections.results(envelopes)[effect.position]
    if isinstance(result, Ignored) or projections.outcomes(envelopes)[effect.position] is not None:
        outbox.finish(row, state="dropped")
        return
    failpoint("capability.before")
    readers[row.name](result, position=effect.position, delivery=row.stream, row=row, tools=tools)


def _read_weakly(row: Outbox, reason: str) -> None:
    """The log is not to be had: what the payload says must do."""
    effect = outbox.decode(row)
    if isinstance(effect, f.DeliveryEffect):
        result, _ = projections.results(store.load(row.stream))[effect.position]
        failure = weak_failure(result, f"No log: {reason}") if isinstance(result, Failed) else None
        record_read(row.stream, effect.position, failure, None, row=row, now=datetime.now(UTC))


def _backoff(claims: int) -> float:
    """Seconds; doubles with each claim, with jitter."""
    return float(2**claims * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, guards nothing


def _broke_off(row: Outbox, error: Exception) -> None:
    """An outage says nothing about the effect: it is tried again uncounted, whoever's fault
    anything else is.
    """
    outage = outages.meet(error)
    if outage and not isinstance(error, PermissionError):
        _hand_back(row, outage, error)
        return
    logger.exception("%s %s crashed", row.name, row.id)
    outbox.release(row, delay=_backoff(row.claims), error=f"{type(error).__name__}: {error}")


def _hand_back(row: Outbox, outage: Outage, met: Exception) -> None:
    """Give the row back as soon as there is a database to say so; where that takes longer than the
    lease, another has it by then.
    """
    until = time.monotonic() + outbox.LEASE.total_seconds()
    while time.monotonic() < until and not ending.stopping.is_set():
        try:
            outbox.release(
                row, delay=outage.retry_after, error=outages.reason(met), counted=not _fresh(row)
            )
            return
        except (DatabaseError, InterfaceError) as error:
            if not outages.meet(error):
                raise
            connection.close()
            ending.stopping.wait(PAUSE)


def _fresh(row: Outbox) -> bool:
    return jumps.now() - row.created_at < PATIENCE


def _later(row: Outbox, error: TransientError) -> None:
    """Where the other side said when, waiting costs no claim, for 6 hours; else it is a try of
    five.
    """
    patient = error.retry_after is not None and _fresh(row)
    delay = error.retry_after if patient and error.retry_after is not None else _backoff(row.claims)
    logger.info("%s %s again in %.0f s: %s", row.name, row.id, delay, error)
    outbox.release(row, delay=delay, error=str(error), counted=not patient)


def _give_up(row: Outbox, reason: str) -> None:
    kind = f.KINDS[row.name]
    if kind.quiet:
        logger.warning("%s of %s was given up: %s", row.name, row.stream, reason)
        Outbox.objects.filter(id=row.id).update(last_error=masked(reason)[:1000])
        outbox.finish(row, state="gave_up")
        return
    if kind.unending:
        logger.warning("%s of %s is tried again later: %s", row.name, row.stream, reason)
        outbox.release(row, delay=LATER, error=reason, counted=False)
        return
    if row.run_id is None:
        _read_weakly(row, reason)
        return
    handle(
        row.run_id,
        c.GiveUp(effect=row.name, reason=reason),
        cause=Cause(source=row.name),
        effect=row,
    )
