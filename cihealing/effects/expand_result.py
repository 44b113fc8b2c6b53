"""Fan the result of a workflow out into its jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from cihealing import service
from cihealing.domain import effects as f
from cihealing.domain.values import Failed, Result
from cihealing.effects.read_failure import read
from cihealing.effects.shared.handler import DeliveryHandler
from cihealing.models import Outbox
from cihealing.ports import NoLog, Tools
from cihealing.store import projections


def expand_result(
    failed: Failed, /, *, position: int, delivery: UUID, row: Outbox, tools: Tools
) -> None:
    """Jobs that reported themselves suffice; else the provider is asked; else the workflow itself
    is the failure, weakly.
    """
    now = datetime.now(UTC)
    if projections.jobs_reported(failed):
        service.record_expanded(
            delivery, position, [], "only noted: its jobs report themselves", row=row, now=now
        )
        return
    jobs = _jobs(failed, tools)
    if jobs is None:
        failure, log = read(failed, tools)
        service.record_read(delivery, position, failure, log, row=row, now=now)
        return
    service.record_expanded(
        delivery, position, jobs, f"only noted: it stands for {len(jobs)} jobs", row=row, now=now
    )


def _jobs(failed: Failed, tools: Tools) -> list[Result] | None:
    """None where the provider cannot be asked for them, or does not tell."""
    expanding = tools.expanding.get(failed.execution.provider)
    try:
        return expanding.expand(failed) if expanding else None
    except NoLog:
        return None


HANDLER = DeliveryHandler(f.ExpandResult, (Failed,), expand_result)
