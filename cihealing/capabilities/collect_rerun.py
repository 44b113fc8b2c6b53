"""Take the result of a rerun where the CI adapter can tell it; where it cannot, the webhook will."""

from __future__ import annotations

from datetime import UTC, datetime

from cihealing import service
from cihealing.domain import effects as f
from cihealing.domain.policy import Policy
from cihealing.domain.run import Run
from cihealing.ports import Tools


def collect_rerun(effect: f.CollectRerun, *, run: Run, policy: Policy, tools: Tools) -> None:
    """The result is received like any other: it is an execution, a fact, and finds the run that waits for it."""
    result = tools.ci[run.provider].rerun_result(effect.handle, settings=tools.settings)
    if result is not None:
        service.receive(hook="rerun", provider=run.provider, delivery_id=effect.handle, results=[result], now=datetime.now(UTC))
