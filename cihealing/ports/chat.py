"""Where people are told of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Button:
    """`value` names run, act and the version it is bound to."""

    label: str
    action: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """What people are told of one run. Every text is plain: the provider escapes it, it can neither
    mention, link nor format.
    """

    run_id: str
    title: str
    fields: tuple[tuple[str, str], ...] = ()
    text: str = ""
    details: str = ""
    """For the thread; may be long."""
    link: str = ""
    """URL of the run's page, the service's own."""
    buttons: tuple[Button, ...] = ()
    tone: str = "neutral"
    """`neutral`, `good`, `bad` or `waiting`."""


class Chat(Protocol):
    """Where people are told. Best effort: what goes wrong here never touches a run."""

    name: str

    def configured(self, *, channel: str = "") -> bool:
        """Whether anything can be told; `channel` is policy's, which goes before the setting's."""

    def tell(self, message: Message, *, handle: str, channel: str = "") -> str:
        """Post it, or with `handle` change what was posted; a handle for the next time, empty where
        nothing can be changed.

        Asked again without a handle, it looks for what it may have posted before, where the other
        side lets it. Raises TransientError (surely not posted, or harmless to repeat),
        PermanentError.
        """
