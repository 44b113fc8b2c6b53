"""What a file of an effect exports: the kind of effect, and what carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from cihealing.domain import commands as c
from cihealing.domain import effects as f
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Failed, Passed, Result
from cihealing.models import Outbox
from cihealing.ports import Tools

Carried = TypeVar("Carried", bound=f.RunEffect | f.LoneEffect)
Carried_contra = TypeVar("Carried_contra", contravariant=True)
Read = TypeVar("Read", bound=Failed | Passed)
Read_contra = TypeVar("Read_contra", contravariant=True)


class CarryingOut(Protocol[Carried_contra]):
    def __call__(
        self, effect: Carried_contra, *, run: RunState, policy: Policy, tools: Tools
    ) -> c.RunCommand | None: ...


class ReadingOut(Protocol[Read_contra]):
    def __call__(
        self, result: Read_contra, /, *, position: int, delivery: UUID, row: Outbox, tools: Tools
    ) -> None: ...


class Handler:
    """What there is one of for each kind of effect."""

    kind: type[f.Effect]

    @property
    def name(self) -> str:
        return self.kind.name()


@dataclass(frozen=True)
class EffectHandler(Handler, Generic[Carried]):
    """A `service.running.Capability` of one kind of effect."""

    kind: type[Carried]
    carry_out: CarryingOut[Carried]

    def __call__(
        self, effect: f.RunEffect | f.LoneEffect, *, run: RunState, policy: Policy, tools: Tools
    ) -> c.RunCommand | None:
        if not isinstance(effect, self.kind):
            raise TypeError(f"{self.name} does not carry out {type(effect).__name__}")
        return self.carry_out(effect, run=run, policy=policy, tools=tools)


@dataclass(frozen=True)
class DeliveryHandler(Handler, Generic[Read]):
    """A `service.running.Reader` of one kind of effect on the results it is meant for."""

    kind: type[f.DeliveryEffect]
    results: tuple[type[Read], ...]
    read: ReadingOut[Read]

    def __call__(
        self, result: Result, /, *, position: int, delivery: UUID, row: Outbox, tools: Tools
    ) -> None:
        if not isinstance(result, self.results):
            raise TypeError(f"{self.name} does not read {type(result).__name__}")
        self.read(result, position=position, delivery=delivery, row=row, tools=tools)
