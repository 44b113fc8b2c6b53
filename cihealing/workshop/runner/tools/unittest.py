"""unittest and Django's test runner: results from the lines `-v` prints.

Source: Python docs "unittest", lines as written by `TextTestResult` of 3.8 to 3.14.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cihealing.tree import Tree
from cihealing.workshop.runner.canary import Ground, Planted, base_name, before_main
from cihealing.workshop.runner.results import Tests, worst_outcomes
from cihealing.workshop.runner.tools.plan import Plan, counted, quoted

name = "unittest"

CALL = re.compile(r"-m\s+unittest\b(?:\s+discover\b)?|\bmanage\.py\s+test\b")
VERBOSE_FLAG = re.compile(r"(?:\s-v\b|\s--verbose\b|\s--verbosity\b)")
TEST_FILE = re.compile(r"\A(?:test.*|.*_tests?)\.py\Z")
LINE = re.compile(
    r"^([\w.]+) \(([\w.]+)\)(?:\n[^\n]{0,500})? \.\.\."
    r" (?:[^\n]{0,500}\n)?(ok|FAIL|ERROR|skipped|expected failure|unexpected success)\b",
    re.MULTILINE,
)
BROKEN = re.compile(r"^(?:ERROR|FAIL): (\S+) \(([\w.]+)\)", re.MULTILINE)
TOTAL = re.compile(r"^Ran (\d{1,7}) tests? in ", re.MULTILINE)
OUTCOMES = {"ok": "passed", "FAIL": "failed", "ERROR": "failed", "unexpected success": "failed"}


def fits(command: str) -> bool:
    return CALL.search(command) is not None


def plan(command: str, *, variant: str) -> Plan:
    call = CALL.search(command)
    if call is None or VERBOSE_FLAG.search(command):
        return Plan(command=command)
    flag = " -v 2" if "manage.py" in call[0] else " -v"
    return Plan(command=command[: call.end()] + flag + command[call.end() :])


def alone(command: str, tests: Sequence[str]) -> str | None:
    call = CALL.search(command)
    if call is None or not quoted(tests):
        return None
    return f"{command[: call.end()].removesuffix('discover').rstrip()} {quoted(tests)}"


def read(output: str, *, tree: Tree, place: str) -> Tests | None:
    totals = [int(t) for t in TOTAL.findall(output)]
    lines = [(test_id(m[1], m[2]), OUTCOMES.get(m[3], "skipped")) for m in LINE.finditer(output)]
    broken = [(test_id(m[1], m[2]), "failed") for m in BROKEN.finditer(output)]
    return counted(worst_outcomes([*lines, *broken]), total=sum(totals) if totals else None)


def test_id(test: str, where: str) -> str:
    """`module.Class.test`; before 3.11 the name in parentheses was the class alone. A module that
    cannot be imported stands as a test of its dotted name.
    """
    return where if where == test or where.endswith(f".{test}") else f"{where}.{test}"


def plant(ground: Ground) -> Planted | None:
    """A TestCase is collected by unittest, Django and pytest alike."""
    for path in ground.files(TEST_FILE):
        source = ground.read(path)
        if source is not None and (
            "unittest" in source or "TestCase" in source or "def test" in source
        ):
            return ground.plant(path, before_main(source, test_case(ground)))
    return None


def test_case(ground: Ground) -> str:
    method = (
        f"{base_name([t.replace('::', '.') for t in ground.tests], usual='test')}_{ground.mark}"
    )
    return (
        f'class Test_{ground.mark}(__import__("unittest").TestCase):\n    def {method}(self):\n    '
        "    self.fail()"
    )
