"""A chat in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from cihealing.ports import Message


@dataclass
class FakeChat:
    name: str = "slack"
    told: list[tuple[str, Message]] = field(default_factory=list)
    """(handle it was told with, message)."""

    def configured(self, *, channel: str = "") -> bool:
        return True

    def tell(self, message: Message, *, handle: str, channel: str = "") -> str:
        self.told.append((handle, message))
        return handle or f"C1/{len(self.told)}"

    @property
    def posted(self) -> list[Message]:
        return [message for handle, message in self.told if not handle]
