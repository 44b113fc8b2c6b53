"""pytest, wherever in a shell command it stands: results through PYTEST_ADDOPTS and a JUnit file
outside the tree.

Source: pytest docs "How to change command line options defaults", "Creating JUnitXML format files"
(xunit1 has the file).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from cihealing.tree import Tree
from cihealing.workshop.runner.canary import Ground, Planted, base_name, before_main
from cihealing.workshop.runner.results import Tests, pytest_name, read_junit
from cihealing.workshop.runner.tools.plan import Plan, quoted

name = "pytest"
FILE = "pytest.xml"

CALL = re.compile(
    r"(?:(?:^|[;&|({]|\b(?:run|then|do|exec|time)\s)\s*(?:[A-Za-z_]\w*=\S*\s+)*(?:[\w./-]*/)?|-m\s+)(?:py\.test|pytest)(?![\w.-])"
)
TEST_FILE = re.compile(r"\A(?:test_.*|.*_tests?)\.py\Z")
NOTE = re.compile(r"^-+ generated xml file: [^\n]*\n?", re.MULTILINE)


def fits(command: str) -> bool:
    return CALL.search(command) is not None


def options(results: str, *, environment: Mapping[str, str]) -> str:
    """PYTEST_ADDOPTS: set for every command, because `make test` and scripts call pytest too."""
    return (
        f"{environment.get('PYTEST_ADDOPTS', '')} --junitxml={results}/{FILE} -o"
        " junit_family=xunit1 -o junit_logging=no".strip()
    )


def plan(command: str, *, variant: str) -> Plan:
    return Plan(
        command=command,
        environment={"PYTEST_ADDOPTS": "-vv --showlocals"} if variant == "verbose" else {},
    )


def alone(command: str, tests: Sequence[str]) -> str | None:
    """The command up to the word `pytest`, then the tests: its variables and interpreter stay, its
    selection goes.
    """
    call = CALL.search(command)
    return f"{command[: call.end()]} {quoted(tests)}" if call and quoted(tests) else None


def read(output: str, *, tree: Tree, place: str) -> Tests | None:
    return None


def read_results(results: Tree, *, exists: Callable[[str], bool]) -> Tests | None:
    """The results any pytest of the run left; None where none did."""
    files = [FILE] if results.has_file(FILE) else []
    return read_junit(files, tree=results, name=lambda case: pytest_name(case, exists=exists))


def without_note(output: str) -> str:
    """Output without the line our own option adds: it is in no other log of this command."""
    return NOTE.sub("", output)


def also(command: str, test: str) -> str:
    """The command with one more test to run."""
    call = CALL.search(command)
    return f"{command[: call.end()]} {quoted([test])}{command[call.end() :]}" if call else command


def plant(ground: Ground) -> Planted | None:
    chosen = next(
        (word for word in ground.words() if "::" in word and not word.startswith("-")), ""
    )
    for path in ground.files(TEST_FILE):
        test = f"{base_name(ground.tests, usual='test')}_{ground.mark}"
        content = before_main(ground.read(path) or "", f"def {test}():\n    raise AssertionError")
        # A command that names single tests would not run a new one by itself.
        select = f"{ground.called(path)}::{test}" if chosen else ""
        if planted := ground.plant(path, content, select=select):
            return planted
    return None
