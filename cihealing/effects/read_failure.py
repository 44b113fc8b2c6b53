"""Read the log of a job: the one that came with the delivery and was too large for the request,
else it is fetched.

Where none can be had, job and step must do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from cihealing import service
from cihealing.domain import effects as f
from cihealing.domain.values import Failed, Failure, Passed
from cihealing.effects.shared.handler import DeliveryHandler
from cihealing.effects.shared.identity import identified
from cihealing.models import Outbox
from cihealing.ports import NoLog, Tools
from cihealing.store import Packed

NOT_SENT = "the generic event carried no log: send the log with `cihealing notify --log build.log`"
"""Of a provider that cannot be asked for logs."""


def read_failure(
    result: Failed | Passed, /, *, position: int, delivery: UUID, row: Outbox, tools: Tools
) -> None:
    """Raises TransientError while the log is not there yet."""
    result = identified(result, tools)
    had = service.read_waiting(result, delivery=delivery, position=position)
    failure, log = had or (read(result, tools) if isinstance(result, Failed) else (None, None))
    service.record_read(
        delivery, position, failure, log, row=row, now=datetime.now(UTC), identified=result
    )


HANDLER: DeliveryHandler[Failed | Passed] = DeliveryHandler(
    f.ReadFailure, (Failed, Passed), read_failure
)


def read(failed: Failed, tools: Tools) -> tuple[Failure, Packed | None]:
    if failed.never_started:
        return service.never_started(failed), None
    logs = tools.logs.get(failed.execution.provider)
    if logs is None:
        return service.weak_failure(failed, NOT_SENT), None
    try:
        log = logs.fetch_log(failed)
    except NoLog as error:
        return service.weak_failure(failed, str(error)), None
    return service.read_log(failed, log)
