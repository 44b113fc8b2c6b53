"""`go test`: results from the lines `-v` prints. Source: `go help test`, `go doc cmd/test2json`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from cihealing.tree import Tree
from cihealing.workshop.runner.canary import Ground, Planted, base_name
from cihealing.workshop.runner.results import Tests, worst_outcomes
from cihealing.workshop.runner.tools.plan import Plan

name = "go"

CALL = re.compile(r"\bgo\s+test\b")
FLAGGED = re.compile(r"\s-(?:v|json)\b")
TEST_FILE = re.compile(r"_test\.go\Z")
RESULT = re.compile(
    r"^(?:[ \t]*--- (PASS|FAIL|SKIP): (\S+) \(|(?:ok|FAIL)[ \t]+(\S+)[ \t]|(FAIL)[ \t]+(\S+)"
    r" \[build failed\])",
    re.MULTILINE,
)
OUTCOMES = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}


def fits(command: str) -> bool:
    return CALL.search(command) is not None


def plan(command: str, *, variant: str) -> Plan:
    return Plan(
        command=command if FLAGGED.search(command) else CALL.sub("go test -v", command, count=1)
    )


def alone(command: str, tests: Sequence[str]) -> str | None:
    """`go test -run` takes a pattern of top-level names."""
    call = CALL.search(command)
    names = sorted(
        {m[1] for t in tests if (m := re.search(r"(?:\A|\.)(Test\w{0,200})(?:/|\Z)", t))}
    )
    return (
        f"{command[: call.end()]} -v -run '^({'|'.join(names)})$' ./..." if call and names else None
    )


def read(output: str, *, tree: Tree, place: str) -> Tests | None:
    """Package by package: the line that names the package comes after its tests."""
    outcomes: list[tuple[str, str]] = []
    waiting: list[tuple[str, str]] = []
    for match in RESULT.finditer(output):
        package = match[3]
        if match[1]:
            waiting.append((match[2], OUTCOMES[match[1]]))
        elif package:
            outcomes += ((f"{package}.{test}", outcome) for test, outcome in waiting)
            waiting = []
    outcomes += waiting
    return worst_outcomes(outcomes) if outcomes else None


def plant(ground: Ground) -> Planted | None:
    test = f"{base_name(ground.tests, usual='Test')}_{ground.mark}"
    for path in ground.files(TEST_FILE):
        package = re.search(r"^package\s+(\w+)", ground.read(path) or "", re.MULTILINE)
        if package:
            body = (
                f'package {package[1]}\n\nimport "testing"\n\nfunc {test}(t *testing.T) {{'
                " t.FailNow() }\n"
            )
            return ground.plant(
                posixpath.join(posixpath.dirname(path), f"m{ground.mark}_test.go"), body
            )
    return None
