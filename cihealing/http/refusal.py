"""What is said where something of the outside is not touched."""

from __future__ import annotations

from dataclasses import dataclass

from cihealing.ports import PermanentError


@dataclass(frozen=True)
class Refusal:
    """`rule` is stable; `text` is for people and holds neither a secret nor a query."""

    rule: str
    text: str


class RequestRefused(PermanentError):
    """A refusal, raised; `refusal.rule` says by which rule."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.text} ({refusal.rule})")
        self.refusal = refusal
