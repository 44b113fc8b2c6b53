"""Any other command (`make test`, a script): results from whichever tool it turns out to call."""

from __future__ import annotations

from collections.abc import Sequence

from cihealing.tree import Tree
from cihealing.workshop.runner.canary import Ground, Planted
from cihealing.workshop.runner.results import Tests
from cihealing.workshop.runner.tools import cargo, go, jest, jvm, unittest
from cihealing.workshop.runner.tools.plan import Plan, Tool

name = "command"
GUESSES: Sequence[Tool] = (unittest, go, cargo, jest, jvm)


def fits(command: str) -> bool:
    return bool(command)


def plan(command: str, *, variant: str) -> Plan:
    return Plan(
        command=command,
        environment={"PYTEST_ADDOPTS": "-vv --showlocals"} if variant == "verbose" else {},
    )


def alone(command: str, tests: Sequence[str]) -> str | None:
    return None


def read(output: str, *, tree: Tree, place: str) -> Tests | None:
    found = (tool.read(output, tree=tree, place=place) for tool in GUESSES)
    return next((tests for tests in found if tests is not None), None)


def plant(ground: Ground) -> Planted | None:
    planted = (tool.plant(ground) for tool in GUESSES)
    return next((p for p in planted if p is not None), None)
