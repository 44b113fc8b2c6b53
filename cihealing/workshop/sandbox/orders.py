"""One command to be run, and where what it is shown lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cihealing.ports import PermanentError
from cihealing.tree import TooLarge, Tree
from cihealing.workshop.sandbox import cgroup

STAGES = ("/mnt", "/media", "/srv")
"""Directories of this machine the sandbox has no use for: over one of them, seen by nobody else,
its sources are bound.
"""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where bubblewrap finds what it shows: each path itself, or (`stage`) the place it is bound to
    before.
    """

    paths: tuple[Path, ...]
    stage: str = ""

    def of(self, path: Path) -> str:
        return f"{self.stage}/{self.paths.index(path)}" if self.stage else str(path)


@dataclass(frozen=True, kw_only=True)
class Order:
    """One command to be run: over `tree` and, besides, `results`, as `uid`, in `group` where there
    is one.
    """

    command: str
    tree: Path
    workdir: str
    environment: Mapping[str, str]
    timeout: float
    results: Path | None
    uid: int
    group: cgroup.ControlGroup | None


def give(place: Path, uid: int) -> None:
    """Raises PermanentError for a tree that nobody could look at."""
    try:
        Tree(root=place).give_to(uid)
    except TooLarge as error:
        raise PermanentError(f"the tree cannot be handed to the sandbox: {error}") from error


@cache
def stage() -> str:
    return next((place for place in STAGES if Path(place).is_dir()), "/tmp")  # noqa: S108
