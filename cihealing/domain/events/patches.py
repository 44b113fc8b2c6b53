"""Patches, attempts and their proofs."""

from __future__ import annotations

from cihealing.domain.events.base import Event
from cihealing.domain.values import Diagnosis, Digest, Objection, Usage


class PatchFound(Event, frozen=True, kw_only=True, tag="patch.found.v1"):
    """A fixer changed something; not yet an attempt."""

    fixer: str
    told: str
    patch: Digest
    objections: tuple[Objection, ...] = ()


class PatchDropped(Event, frozen=True, kw_only=True, tag="patch.dropped.v1"):
    """A found patch that never became an attempt: refused by the guard, repeated, or not green
    once.
    """

    fixer: str
    patch: Digest
    reason: str


class AttemptStarted(Event, frozen=True, kw_only=True, tag="attempt.started.v1"):
    number: int
    diagnoser: str
    patch: Digest
    proposed_fix: str
    diagnosis: Diagnosis | None = None
    needs_person: tuple[str, ...] = ()
    """Soft objections of the guard to a model's patch, in words."""
    objections: tuple[Objection, ...] = ()
    """All of them, hard ones first."""


class AttemptFailed(Event, frozen=True, kw_only=True, tag="attempt.failed.v1"):
    number: int
    reason: str
    usage: Usage = Usage()


class PatchProven(Event, frozen=True, kw_only=True, tag="patch.proven.v1"):
    number: int
    patch: Digest
    proof: Digest
    """Artifact: every observation the verdict stands on, as JSON."""
    head: str
    target: str
    needs_person: tuple[str, ...] = ()
    usage: Usage = Usage()


PatchEvent = PatchFound | PatchDropped | AttemptStarted | AttemptFailed | PatchProven
