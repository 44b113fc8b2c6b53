"""Maven and Gradle: the JUnit files they write by themselves. Source: Maven Surefire and Gradle
Java plugin docs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from cihealing.tree import Tree
from cihealing.workshop.runner.canary import Ground, Planted
from cihealing.workshop.runner.results import Tests, junit_files, plain_name, read_junit
from cihealing.workshop.runner.tools.plan import Plan

name = "jvm"

CALL = re.compile(r"(?:\bmvnw?\b|\bgradlew?\b)")
TEST_FILE = re.compile(r"Tests?\.java\Z")
PLACES = ("**/target/surefire-reports/TEST-*.xml", "**/build/test-results/*/TEST-*.xml")


def fits(command: str) -> bool:
    return CALL.search(command) is not None


def plan(command: str, *, variant: str) -> Plan:
    more = " --info --stacktrace" if "gradle" in command else " -e"
    return Plan(
        command=(
            command + more if variant == "verbose" and not re.search(r"[;&|]", command) else command
        )
    )


def alone(command: str, tests: Sequence[str]) -> str | None:
    return None


def read(output: str, *, tree: Tree, place: str) -> Tests | None:
    return read_junit(
        (f for pattern in PLACES for f in junit_files(tree, pattern, place=place)),
        tree=tree,
        name=plain_name,
    )


def plant(ground: Ground) -> Planted | None:
    """A class of its own beside a test class, with the annotation that one imports."""
    for path in ground.files(TEST_FILE):
        source = ground.read(path) or ""
        package = re.search(r"^package\s+[\w.]+;", source, re.MULTILINE)
        annotation = re.search(
            r"^import\s+(org\.junit\.(?:jupiter\.api\.)?Test);", source, re.MULTILINE
        )
        if annotation:
            body = (
                f"{package[0] if package else ''}\n\npublic class M{ground.mark}Test {{\n   "
                f" @{annotation[1]}\n"
            )
            body += f'    public void m{ground.mark}() {{ throw new AssertionError("no"); }}\n}}\n'
            return ground.plant(
                posixpath.join(posixpath.dirname(path), f"M{ground.mark}Test.java"), body
            )
    return None
