"""What each fact means for the state of a run. Total: every event changes a run or leaves it, none
is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from uuid import UUID

from cihealing.domain import events as e
from cihealing.domain.evolve.blame import evolve_blame
from cihealing.domain.evolve.changes import evolve_change, evolve_review
from cihealing.domain.evolve.findings import evolve_finding
from cihealing.domain.evolve.life import evolve_life
from cihealing.domain.evolve.patches import evolve_model, evolve_patch
from cihealing.domain.run import RunState, change


def fold(run_id: UUID, envelopes: Iterable[e.Envelope]) -> RunState:
    return reduce(evolve, envelopes, RunState(id=run_id))


def evolve(run: RunState, envelope: e.Envelope) -> RunState:
    moved = _fact(run, envelope)
    return change(
        moved,
        version=run.version + 1,
        updated_at=envelope.at,
        created_at=run.created_at or envelope.at,
    )


def _fact(run: RunState, envelope: e.Envelope) -> RunState:
    event = envelope.event
    if isinstance(event, e.LifeEvent):
        return evolve_life(run, event, envelope)
    if isinstance(event, e.FindingEvent):
        return evolve_finding(run, event, envelope)
    if isinstance(event, e.BlameEvent):
        return evolve_blame(run, event)
    if isinstance(event, e.PatchEvent):
        return evolve_patch(run, event, envelope)
    if isinstance(event, e.ModelEvent):
        return evolve_model(run, event, envelope)
    if isinstance(event, e.ReviewEvent):
        return evolve_review(run, event, envelope)
    if isinstance(event, e.ChangeEvent):
        return evolve_change(run, event, envelope)
    return run  # a fact of another kind of stream
