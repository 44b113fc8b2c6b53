"""What models were asked."""

from __future__ import annotations

from cihealing.domain.events.base import Event
from cihealing.domain.values import Diagnosis, Digest, Time, Usage


class ModelAsked(Event, frozen=True, kw_only=True, tag="model.asked.v1"):
    """One call to a model, of use or not. Never holds the key."""

    number: int
    """The attempt it was for; 0: for the report."""
    provider: str
    model: str
    region: str = ""
    prompt: Digest
    """Artifact: exactly what was sent."""
    prompt_version: str = ""
    answer: Digest = ""
    """Artifact: what came back, redacted."""
    outcome: str
    """`answered`, `malformed`, `truncated`, `refused`, or why no answer came
    (`ports.ModelFailed.kind`).
    """
    problem: str = ""
    usage: Usage = Usage()
    cached_tokens: int = 0


class ModelPaused(Event, frozen=True, kw_only=True, tag="model.paused.v1"):
    """No provider could answer now: the attempt is not spent, it is asked again from `until` on."""

    reason: str
    until: Time


class BudgetRefused(Event, frozen=True, kw_only=True, tag="budget.refused.v1"):
    """No money was left for a call, so none was made."""

    scope: str
    """`run`, `repository`, `day` or `failure` (calls a day for one failure)."""
    reason: str


class FailureExplained(Event, frozen=True, kw_only=True, tag="failure.explained.v1"):
    """What a model believes of an escalated failure, its citations checked; None: why nobody was
    asked, or nothing came of it.
    """

    diagnosis: Diagnosis | None = None
    reason: str = ""


ModelEvent = ModelAsked | ModelPaused | BudgetRefused | FailureExplained
