"""Look at the open change: merged, closed, its own CI green or red. Deliveries only bring the next
look forward.
"""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.commands import RecordChange
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.effects.publish import changes_of
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import Again, Change, Tools, TransientError
from cihealing.service import Cause, handle


def watch_change(
    effect: f.WatchChange, *, run: RunState, policy: Policy, tools: Tools
) -> RecordChange | None:
    """Raises Again while the change is open: one row watches over one change."""
    try:
        seen = changes_of(run, policy, tools).look(effect.url)
    except TransientError as error:
        raise Again(error.retry_after or policy.watch_every) from error
    command = recorded(seen, effect.url)
    if seen.state != "open" or seen.opted_out:
        return command
    if changed(run, seen):
        handle(run.id, command, cause=Cause(source=effect.name()))
    raise Again(policy.watch_every)


HANDLER = EffectHandler(f.WatchChange, watch_change)


def changed(run: RunState, seen: Change) -> bool:
    return seen.head == run.change.commit and seen.checks != run.change.checks


def recorded(seen: Change, url: str) -> RecordChange:
    return RecordChange(
        url=url,
        state=seen.state,
        head=seen.head,
        checks=seen.checks,
        failing=seen.failing[:50],
        merged_commit=seen.merged_commit,
        opted_out=seen.opted_out,
        by=seen.by,
    )
