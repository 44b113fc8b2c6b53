"""Everything a capability may touch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from cihealing.domain.policy import RepositoryPolicy
from cihealing.ports.chat import Chat
from cihealing.ports.fixing import Fixer, Guard
from cihealing.ports.forge import Forge
from cihealing.ports.jobs import Expanding, Identifying, Logs, Reruns
from cihealing.ports.model import Model
from cihealing.ports.records import Artifacts, History
from cihealing.ports.running import Runner, Sandbox
from cihealing.ports.trees import Trees
from cihealing.settings import ModelSettings


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Built by the registry, faked in tests. By a provider's name; who is missing does not offer
    it.
    """

    logs: Mapping[str, Logs]
    expanding: Mapping[str, Expanding]
    identifying: Mapping[str, Identifying]
    reruns: Mapping[str, Reruns]
    runner: Runner
    trees: Trees
    sandbox: Callable[[RepositoryPolicy], Sandbox]
    """The sandbox that may run this repository's code; one that refuses where none may."""
    forges: Mapping[str, Forge]
    fixers: Sequence[Fixer]
    guard: Guard
    artifacts: Artifacts
    history: History
    model: Model | None = None
    """None: diagnoses come from rules alone."""
    chats: Sequence[Chat] = ()
    cancelling: Callable[[threading.Event], AbstractContextManager[None]] = lambda _event: (
        nullcontext()
    )
    """Within it, processes are killed and Cancelled is raised soon after the event is set."""
    models: ModelSettings = field(default_factory=ModelSettings)
    url: str = ""
    """The service's own address; empty where it does not know it."""
