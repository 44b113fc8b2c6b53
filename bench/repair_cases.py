"""Small real bugs as git repositories: one commit with the buggy code and the test that shows it.

Reads the published forms of QuixBugs (`cases.jsonl` with `support_files.json` beside it) and of
HumanEvalFix (`python.jsonl`, `js.jsonl`); nothing of either is part of the project.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ALARM = '''

import signal

import pytest as _pytest


@_pytest.fixture(autouse=True)
def _no_test_runs_for_ever():
    """A bug that loops is a failed test, not a command that never ends."""

    def over(*_):
        raise TimeoutError("the test ran for 2 s")

    signal.signal(signal.SIGALRM, over)
    signal.alarm(2)
    yield
    signal.alarm(0)
'''
IDENTITY = {
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """`fixed` is the whole content of `source` as published; `test` the file that must stay as it
    is.
    """

    name: str
    files: Mapping[str, str]
    source: str
    fixed: str
    test: str
    command: str

    def make(self, place: Path) -> None:
        """The repository, in the empty directory `place`."""
        for name, text in self.files.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for arguments in (
            ("init", "--quiet", "--initial-branch=main"),
            ("add", "--all"),
            ("commit", "--quiet", "-m", "As it is"),
        ):
            subprocess.run(
                ["git", "-C", str(place), *arguments],
                env={**os.environ, **IDENTITY},
                check=True,
                capture_output=True,
            )


def cases(place: Path) -> Iterator[Case]:
    """Every case of a file, or of a directory and what lies below it."""
    files = [place] if place.is_file() else sorted(place.rglob("*.jsonl"))
    for file in files:
        support = file.with_name("support_files.json")
        shared = json.loads(support.read_text()) if support.exists() else {}
        for line in file.read_text(encoding="utf-8").splitlines():
            found = _case(json.loads(line), shared)
            if found:
                yield found


def _case(told: Mapping[str, str], shared: Mapping[str, str]) -> Case | None:
    if "test_file" in told and "buggy" in told:
        return quixbugs(told, shared)
    task = told.get("task_id", "")
    return (
        python(told)
        if task.startswith("Python/")
        else javascript(told)
        if task.startswith("JavaScript/")
        else None
    )


def quixbugs(told: Mapping[str, str], shared: Mapping[str, str]) -> Case:
    source, test = f"python_programs/{told['id']}.py", told["test_file"]
    helpers = {
        name: text for name, text in shared.items() if not name.startswith(("correct_", "tester"))
    }
    data = told.get("json_testcases") or ""
    lists = {f"json_testcases/{told['id']}.json": data} if data and data != "None" else {}
    files = {
        **helpers,
        **lists,
        "conftest.py": helpers.get("conftest.py", "") + ALARM,
        source: told["buggy"],
        test: told["test"],
    }
    return Case(
        name=f"quixbugs/{told['id']}",
        files=files,
        source=source,
        fixed=told["fixed"],
        test=test,
        command=f"python -m pytest -q {test}",
    )


def python(told: Mapping[str, str]) -> Case:
    body, _, call = told["test"].rstrip().rpartition("\n")
    name = re.search(r"check\((\w+)\)", call)
    assert name, told["task_id"]
    test = f"from solution import *\n{body}\n\n\ndef test_{name[1]}():\n    check({name[1]})\n"
    head = told["declaration"]
    files = {
        "solution.py": head + told["buggy_solution"],
        "test_solution.py": test,
        "conftest.py": ALARM,
    }
    return Case(
        name=told["task_id"].lower(),
        files=files,
        source="solution.py",
        fixed=head + told["canonical_solution"],
        test="test_solution.py",
        command="python -m pytest -q",
    )


def javascript(told: Mapping[str, str]) -> Case:
    names = re.findall(r"^const (\w+) = ", told["declaration"], re.MULTILINE)
    export = f"\nmodule.exports = {{ {', '.join(names)} }};\n"
    test = (
        'const test = require("node:test");\nconst assert = require("node:assert");\nconst {'
        f' {", ".join(names)} }} = require("./solution.js");\nconsole.assert = (ok) =>'
        f' assert.ok(ok);\n\ntest("{names[-1]}", () => {{\n{told["test"]}\n}});\n'
    )
    files = {
        "solution.js": told["declaration"] + told["buggy_solution"] + export,
        "solution.test.js": test,
        "package.json": (
            '{"name": "case", "version": "1.0.0", "scripts": {"test": "node --test"}}\n'
        ),
    }
    return Case(
        name=told["task_id"].lower(),
        files=files,
        source="solution.js",
        fixed=told["declaration"] + told["canonical_solution"] + export,
        test="solution.test.js",
        command="node --test --test-timeout=2000",
    )
