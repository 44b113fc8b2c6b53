"""What a test tool module is: how a command of its kind is asked for results, and how they are
read.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cihealing.tree import Tree
from cihealing.workshop.runner.canary import Ground, Planted
from cihealing.workshop.runner.results import Tests

VERBOSE = "verbose"
MAX_ISOLATED = 50


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is really run. It runs the same tests as the project's command, and says more about
    them.
    """

    command: str
    environment: Mapping[str, str] = field(default_factory=dict)


class Tool(Protocol):
    """A module of this package. `fits` and `plan` look at the command alone."""

    name: str

    def fits(self, command: str) -> bool: ...

    def plan(self, command: str, *, variant: str) -> Plan: ...

    def alone(self, command: str, tests: Sequence[str]) -> str | None:
        """The command for these tests alone; None where this tool has no such thing."""

    def read(self, output: str, *, tree: Tree, place: str) -> Tests | None:
        """Results from the output, or from the tool's usual files below `place`; None where they
        cannot be told.
        """

    def plant(self, ground: Ground) -> Planted | None:
        """Plant a test that must fail; None where no place was found."""


def quoted(tests: Sequence[str]) -> str:
    """Test names come from logs: quoted, and none that a program would take for an option."""
    return " ".join(
        shlex.quote(t)
        for t in tests[:MAX_ISOLATED]
        if t and not t.startswith("-") and "\0" not in t
    )


def counted(tests: Tests, *, total: int | None) -> Tests | None:
    """The tests, if they are as many as the tool's own summary says: half a list would hide what is
    missing.
    """
    return tests if total is not None and tests.collected == total else None
