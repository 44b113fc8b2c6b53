"""Fan the result of a workflow out into its jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from cihealing import service
from cihealing.domain.values import Failed
from cihealing.effects.read_failure import adapter_of, read
from cihealing.models import Outbox
from cihealing.ports import NoLog, Tools
from cihealing.store import projections


def expand_result(
    failed: Failed, *, position: int, delivery: UUID, row: Outbox, tools: Tools
) -> None:
    """Jobs that reported themselves suffice; else the adapter is asked; else the workflow itself is
    the failure, weakly.
    """
    now = datetime.now(UTC)
    if projections.jobs_reported(failed):
        service.record_expanded(
            delivery, position, [], "only noted: its jobs report themselves", row=row, now=now
        )
        return
    try:
        jobs = adapter_of(failed, tools).expand(failed, settings=tools.settings)
    except NoLog:
        failure, log = read(failed, tools)
        service.record_read(delivery, position, failure, log, row=row, now=now)
        return
    service.record_expanded(
        delivery, position, jobs, f"only noted: it stands for {len(jobs)} jobs", row=row, now=now
    )
