"""Fetch and read the log of a failed job; where none can be had, job and step must do."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from cihealing import service
from cihealing.domain.values import Failed, Failure
from cihealing.models import Outbox
from cihealing.ports import CIAdapter, NoLog, Tools


def read_failure(failed: Failed, *, position: int, delivery: UUID, row: Outbox, tools: Tools) -> None:
    """Raises TransientError while the log is not there yet."""
    failure, log = read(failed, tools)
    service.record_read(delivery, position, failure, log, row=row, now=datetime.now(UTC))


def adapter_of(failed: Failed, tools: Tools) -> CIAdapter:
    """A generic body may name a provider there is no adapter for: then what is generic holds."""
    return tools.ci.get(failed.execution.provider, tools.ci["generic"])


def read(failed: Failed, tools: Tools) -> tuple[Failure, str]:
    try:
        log = adapter_of(failed, tools).fetch_log(failed, settings=tools.settings)
    except NoLog as error:
        return service.weak_failure(failed, str(error)), ""
    return service.read_log(failed, log)
