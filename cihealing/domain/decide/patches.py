"""Patches, and the verdict over their proofs."""

from __future__ import annotations

from collections.abc import Sequence

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.decide.findings import flake
from cihealing.domain.events import Events
from cihealing.domain.policy import Policy
from cihealing.domain.proof import is_flake
from cihealing.domain.run import RunState
from cihealing.domain.values import SERVICE, Colour, Digest, Mode, Objection


def patched(run: RunState, command: c.RecordPatch) -> Events:
    found = e.PatchFound(
        fixer=command.fixer, told=command.told, patch=command.patch, objections=command.objections
    )
    refusal = _refusal(run, command)
    return (
        [found, e.PatchDropped(fixer=command.fixer, patch=command.patch, reason=refusal)]
        if refusal
        else [found]
    )


def _refusal(run: RunState, command: c.RecordPatch) -> str:
    return refusal_of(run, command.patch, command.objections)


def refusal_of(run: RunState, patch: Digest, objections: Sequence[Objection]) -> str:
    if patch in run.patches.tried:
        return "the same patch was tried before"
    if patch in run.patches.refused:
        return "a person refused this patch"
    hard = [o.text for o in objections if o.hard]
    return f"refused by the guard: {'; '.join(hard)}" if hard else ""


def judged(run: RunState, command: c.RecordProof, policy: Policy) -> Events:
    attempt = run.proving
    if attempt is None or attempt.number != command.number:
        return []
    if command.flake or is_flake(run):
        return _flaked(run, command)
    if command.faults:
        return [
            e.AttemptFailed(
                number=attempt.number, reason="; ".join(command.faults), usage=command.usage
            )
        ]
    proven = e.PatchProven(
        number=attempt.number,
        patch=attempt.patch,
        proof=command.proof,
        head=run.head,
        target=run.change.target,
        needs_person=attempt.needs_person,
        usage=command.usage,
    )
    by_itself = (
        policy.repository(run.failure.repository).mode is Mode.OPEN
        and not policy.safe_mode
        and not attempt.needs_person
    )
    return [
        proven,
        *([e.Approved(act="publish", by=SERVICE, note="mode open")] if by_itself else []),
    ]


def _flaked(run: RunState, command: c.RecordProof) -> Events:
    """The failing tree was green without the patch: on the head that was red before it is a flake,
    on a moved head it was healed there.
    """
    failed = e.AttemptFailed(
        number=command.number,
        reason="the failing tree was green without the patch",
        usage=command.usage,
    )
    unpatched = run.unpatched()
    greens = sum(o.colour is Colour.GREEN for o in unpatched)
    reds = sum(o.colour is Colour.RED for o in unpatched)
    if not reds:
        return [
            failed,
            e.RunResolved(
                how="green_later",
                by=SERVICE,
                note=f"{run.change.target} is green at {run.head[:12]} without the patch",
            ),
        ]
    return [failed, *flake(reds, greens, unpatched[0].environment)]
