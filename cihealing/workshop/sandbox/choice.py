"""Which sandbox a repository's code runs in. Fails closed: where none fits, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol

from cihealing.domain.policy import RepositoryPolicy
from cihealing.ports import PermanentError, Ran, Sandbox
from cihealing.settings import SandboxSettings
from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
from cihealing.workshop.sandbox.plain import Plain
from cihealing.workshop.sandbox.toolchain import toolchain
from cihealing.workshop.sandbox.walls import ACCEPTABLE, Walls, without

ACCEPT = "CI_HEALING_SANDBOX_ACCEPT"


class Room(Sandbox, Protocol):
    """A sandbox with a second writable directory, for results that must not lie in the tree."""

    def run(
        self,
        command: str,
        *,
        tree: Path,
        workdir: str,
        environment: Mapping[str, str],
        timeout: float,
        results: Path | None = None,
    ) -> Ran: ...

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


def lacking(settings: SandboxSettings) -> dict[str, str]:
    """Walls this machine cannot have and the operator did not accept to be without, each with the
    reason.
    """
    lacking = Bubblewrap().lacking().items()
    return {name: why for name, why in lacking if name not in settings.sandbox_accept}


def trouble(settings: SandboxSettings) -> str | None:
    """Why code of untrusted repositories is not run here; None where it can be."""
    found = trouble_with(toolchain(settings.toolchain))
    if found is not None:
        return found
    walls = "; ".join(
        f"{name}: {why}, so {ACCEPTABLE[name]}" for name, why in lacking(settings).items()
    )
    return (
        f"the sandbox would lack a wall ({walls}); accept that by name in {ACCEPT}, or run the"
        " service otherwise"
        if walls
        else None
    )


def choose(settings: SandboxSettings, *, policy: RepositoryPolicy) -> Room:
    """bubblewrap where it works; the plain runner only where `CI_HEALING_SANDBOX=plain` and the
    repository is trusted.
    """
    paths = toolchain(settings.toolchain)
    why_not = trouble(settings)
    if why_not is None:
        walls = without(Walls(), list(Bubblewrap().lacking()))
        return Bubblewrap(toolchain=paths, walls=walls, limits=policy.limits)
    if settings.sandbox == "plain" and policy.trusted:
        return Plain(trusted=True, toolchain=paths, limits=policy.limits)
    return Refusing(
        "no sandbox: repository code is not run; install bubblewrap or set"
        f" CI_HEALING_SANDBOX=plain and mark the repository trusted ({why_not})"
    )
