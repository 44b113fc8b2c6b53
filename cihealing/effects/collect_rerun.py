"""Take the result of a rerun where the provider can tell it; where it cannot, the webhook
will.
"""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import structs

from cihealing import service
from cihealing.domain import effects as f
from cihealing.domain.commands import LoseRerun
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Failed, Ignored, Passed
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import Tools


def collect_rerun(
    effect: f.CollectRerun, *, run: RunState, policy: Policy, tools: Tools
) -> LoseRerun | None:
    """The result is received like any other: it is an execution, a fact, and finds the run that
    waits for it.

    A rerun that somebody cancelled or CI skipped has none: the run need not wait for its timer.
    """
    reruns = tools.reruns.get(run.failure.provider)
    result = reruns.rerun_result(effect.handle) if reruns else None
    if isinstance(result, Ignored):
        return LoseRerun(number=effect.number)
    if result is not None:
        service.receive(
            hook="rerun",
            provider=run.failure.provider,
            delivery_id=effect.handle,
            results=[_of_run(result, run)],
            now=datetime.now(UTC),
        )
    return None


def _of_run(result: Failed | Passed, run: RunState) -> Failed | Passed:
    """It is the run's own job: of the same code and definition, whatever is told of it here."""
    failure = run.failure
    return structs.replace(
        result,
        branch=failure.branch,
        ref=failure.ref,
        fork=failure.fork,
        head_repository=failure.head_repository,
        definition=failure.definition,
        partial=failure.partial,
    )


HANDLER = EffectHandler(f.CollectRerun, collect_rerun)
