"""What people decided about a proven patch, and what became of it at the forge."""

from __future__ import annotations

from cihealing.domain.events.base import Event
from cihealing.domain.values import Actor, Digest


class Approved(Event, frozen=True, kw_only=True, tag="run.approved.v1"):
    act: str
    by: Actor
    note: str = ""


class PatchDenied(Event, frozen=True, kw_only=True, tag="patch.denied.v1"):
    by: Actor
    patch: Digest
    note: str = ""


class HeadMoved(Event, frozen=True, kw_only=True, tag="head.moved.v1"):
    """The target moved after the proof: the patch is proven afresh on the new head."""

    expected: str
    found: str


class ChangePublished(Event, frozen=True, kw_only=True, tag="change.published.v1"):
    url: str
    commit: str
    merged: bool


class ChangeChecked(Event, frozen=True, kw_only=True, tag="change.checked.v1"):
    """What the open change's own CI says of its head, when that changed."""

    head: str
    checks: str
    """`none`, `pending`, `green` or `red`."""
    failing: tuple[str, ...] = ()


class ChangeFailed(Event, frozen=True, kw_only=True, tag="change.failed.v1"):
    """The change's own CI is red: the attempt that was proven here failed there."""

    number: int
    reason: str


class ChangeClosed(Event, frozen=True, kw_only=True, tag="change.closed.v1"):
    """Somebody closed our change at the forge, or opted out of it."""

    url: str
    by: str = ""
    reason: str = ""


class HumanFixProven(Event, frozen=True, kw_only=True, tag="human_fix.proven.v1"):
    """What a person did heals the failing commit here too: remembered for failures like this
    one.
    """

    commit: str
    patch: Digest


class PublishFailed(Event, frozen=True, kw_only=True, tag="publish.failed.v1"):
    reason: str


ReviewEvent = Approved | PatchDenied | HeadMoved | ChangePublished | PublishFailed
ChangeEvent = ChangeChecked | ChangeFailed | ChangeClosed | HumanFixProven
