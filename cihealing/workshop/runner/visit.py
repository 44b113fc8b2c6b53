"""One look at a tree: what is run in it, with what, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cihealing.domain.policy import Project
from cihealing.domain.values import Colour, Failure
from cihealing.ports import Ran, Tree
from cihealing.workshop.runner.canary import Planted
from cihealing.workshop.runner.results import Tests
from cihealing.workshop.runner.tools import pytest
from cihealing.workshop.sandbox import Room

MISSING = (
    re.compile(
        r"^(?:/bin/)?(?:sh|bash|dash)(?:: (?:line )?\d{1,6})?: (?:exec: )?([^\s:]{1,200}):"
        r" (?:command )?not found",
        re.MULTILINE,
    ),
    re.compile(r"^make(?:\[\d{1,3}\])?: ([^\s:]{1,200}): No such file or directory", re.MULTILINE),
    re.compile(r"^\S{0,200}python[\d.]{0,6}: (No module named [\w.]{1,200})$", re.MULTILINE),
)


class LogReading(Protocol):
    @property
    def failure(self) -> Failure | None: ...

    @property
    def redacted_log(self) -> str: ...


class ReadsLog(Protocol):
    def __call__(
        self, log: str, *, green: Sequence[str] = (), known_secrets: Sequence[str] = ()
    ) -> LogReading: ...


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One tree with everything that is needed to run a command over it."""

    tree: Tree
    project: Project
    sandbox: Room
    results: Tree

    def run(self, command: str, *, environment: Mapping[str, str]) -> Ran:
        return self.sandbox.run(
            command,
            tree=self.tree.root,
            workdir=self.project.path,
            environment=environment,
            timeout=self.project.timeout,
            results=self.results.root,
        )

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """PYTHONHASHSEED stays random: a flake must stay one."""
        given = {
            "CI": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.project.environment,
            **{k: v for k, v in more.items() if k != ADDOPTS},
        }
        own = " ".join(
            filter(None, (self.project.environment.get(ADDOPTS, ""), more.get(ADDOPTS, "")))
        )
        return {
            **given,
            ADDOPTS: pytest.options(
                self.sandbox.inside(self.results.root), environment={ADDOPTS: own}
            ),
        }


ADDOPTS = "PYTEST_ADDOPTS"


@dataclass(frozen=True, kw_only=True)
class VisitResult:
    """What one run of the command gave; `missing` where it could not be run as meant."""

    ran: Ran
    output: str
    tests: Tests | None = None
    missing: str = ""
    planted: Planted | None = None
    violations: tuple[str, ...] = ()

    @property
    def canary_red(self) -> bool:
        return self.planted is not None and self.planted.reported(
            tests=self.tests, output=self.output, exit_code=self.ran.exit_code
        )

    @property
    def colour(self) -> Colour:
        if self.ran.timed_out:
            return Colour.TIMED_OUT
        if self.ran.exceeded:
            return Colour.UNAVAILABLE
        if self.missing and self.ran.exit_code != 0:
            return Colour.UNAVAILABLE
        return Colour.GREEN if self.ran.exit_code == 0 else Colour.RED
