"""Deterministic ways to produce a patch, and the checks every patch meets."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from cihealing.domain.policy import Policy, Project, RepositoryPolicy
from cihealing.domain.values import Failure, Objection
from cihealing.ports.running import Sandbox
from cihealing.tree import Tree


@dataclass(frozen=True, kw_only=True)
class FixContext:
    """What a fixer may look at. `tree` is a worktree it may write into; `sandbox` runs a command
    over it.
    """

    failure: Failure
    repository: str
    commit: str
    project: Project
    tree: Tree
    sandbox: Sandbox
    changed_files: tuple[str, ...] = ()


class CouldNotRun(Exception):
    """The fixer's tool could not do its work; the message says which and why, for people."""


@dataclass(frozen=True, kw_only=True)
class Fixer:
    """One deterministic way to produce a patch. Asked in the order of `order`, small ones first."""

    name: str
    title: str
    order: int
    fits: Callable[[Failure], bool]
    """Cheap, from the failure alone."""
    fix: Callable[[FixContext], str | None]
    """What was changed in `context.tree`, told in one sentence; None where there is nothing it can
    do. It changes files only below the tree. Raises CouldNotRun.
    """


class Guard(Protocol):
    def __call__(
        self,
        patch: str,
        *,
        policy: Policy,
        repository: RepositoryPolicy | None = None,
        reformatted: Collection[str] = (),
        denied: Collection[str] = (),
    ) -> list[Objection]: ...
