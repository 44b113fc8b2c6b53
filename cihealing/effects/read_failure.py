"""Read the log of a job: the one that came with the delivery and was too large for the request,
else it is fetched.

Where none can be had, job and step must do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from cihealing import service
from cihealing.domain.values import Failed, Failure, Passed
from cihealing.models import Outbox
from cihealing.ports import CIAdapter, NoLog, Tools
from cihealing.store import Packed


def read_failure(
    result: Failed | Passed, *, position: int, delivery: UUID, row: Outbox, tools: Tools
) -> None:
    """Raises TransientError while the log is not there yet."""
    had = service.read_waiting(result, delivery=delivery, position=position)
    failure, log = had or (read(result, tools) if isinstance(result, Failed) else (None, None))
    service.record_read(delivery, position, failure, log, row=row, now=datetime.now(UTC))


def adapter_of(failed: Failed, tools: Tools) -> CIAdapter:
    """A generic body may name a provider there is no adapter for: then what is generic holds."""
    return tools.ci.get(failed.execution.provider, tools.ci["generic"])


def read(failed: Failed, tools: Tools) -> tuple[Failure, Packed | None]:
    try:
        log = adapter_of(failed, tools).fetch_log(failed, settings=tools.settings)
    except NoLog as error:
        return service.weak_failure(failed, str(error)), None
    return service.read_log(failed, log)
