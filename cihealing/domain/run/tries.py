"""What was run, asked for and tried, each in its place."""

from __future__ import annotations

from cihealing.domain.values import (
    AttemptStatus,
    Diagnosis,
    Digest,
    Objection,
    Observation,
    Purpose,
    Time,
    Usage,
    Value,
)


class Seen(Value, frozen=True, kw_only=True):
    """One observation in its place."""

    purpose: Purpose
    seen: Observation
    at: Time
    patch: Digest = ""


class Candidate(Value, frozen=True, kw_only=True):
    """A found patch that is not an attempt yet."""

    fixer: str
    told: str
    patch: Digest
    objections: tuple[Objection, ...] = ()
    screened: bool = False


class AttemptState(Value, frozen=True, kw_only=True):
    number: int
    status: AttemptStatus
    diagnoser: str
    patch: Digest
    proposed_fix: str
    head: str
    """The commit this attempt is proven on now."""
    observations: tuple[Seen, ...] = ()
    needs_person: tuple[str, ...] = ()
    objections: tuple[Objection, ...] = ()
    failure_reason: str = ""
    proof: Digest = ""
    usage: Usage = Usage()
    diagnosis: Diagnosis | None = None
    started_at: Time
    finished_at: Time | None = None
    generation: int = 1


class PastCall(Value, frozen=True, kw_only=True):
    """One call to a model, as pages show it."""

    number: int
    provider: str
    model: str
    outcome: str
    prompt: Digest
    answer: Digest = ""
    problem: str = ""
    region: str = ""
    usage: Usage = Usage()
    generation: int = 1
    at: Time


class Rerun(Value, frozen=True, kw_only=True):
    number: int
    handle: str
    outcome: str = ""
    """Empty while it is waited for; `green`, `same`, `other` or `lost`."""
