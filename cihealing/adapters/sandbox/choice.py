"""Which sandbox a repository's code runs in. Fails closed: where none fits, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol

from cihealing.adapters.sandbox.bubblewrap import Bubblewrap
from cihealing.adapters.sandbox.plain import Plain
from cihealing.adapters.sandbox.toolchain import toolchain
from cihealing.ports import PermanentError, Ran, Sandbox

SETTING = "CI_HEALING_SANDBOX"


class Room(Sandbox, Protocol):
    """A sandbox with a second writable directory, for results that must not lie in the tree."""

    def run(
        self, command: str, *, tree: Path, workdir: str, environment: Mapping[str, str], timeout: float, results: Path | None = None
    ) -> Ran: ...  # fmt: skip

    def inside(self, results: Path) -> str:
        """The path by which the command knows `results`."""


class Refusing:
    """Stands where no sandbox is to be had: says so instead of running anything."""

    name = "none"

    def __init__(self, trouble: str) -> None:
        self.trouble = trouble

    def run(self, command: str, **_: object) -> Ran:
        raise PermanentError(self.trouble)

    def inside(self, results: Path) -> str:
        raise PermanentError(self.trouble)


@cache
def trouble_with(paths: tuple[Path, ...]) -> str | None:
    """Why bubblewrap does not work here; asked once a process."""
    return Bubblewrap(toolchain=paths).available()


def choose(settings: Mapping[str, str], *, trusted: bool) -> Room:
    """bubblewrap where it works; the plain runner only where `CI_HEALING_SANDBOX=plain` and the repository is trusted."""
    paths = toolchain(settings)
    trouble = trouble_with(paths)
    if trouble is None:
        return Bubblewrap(toolchain=paths)
    if settings.get(SETTING) == "plain" and trusted:
        return Plain(trusted=True, toolchain=paths)
    return Refusing(
        "no sandbox: repository code is not run; install bubblewrap or set CI_HEALING_SANDBOX=plain and mark the repository trusted"
        f" ({trouble})"
    )
