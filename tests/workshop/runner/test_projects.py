from __future__ import annotations

import json
from pathlib import Path

import pytest

from cihealing.domain.policy import Project
from cihealing.ports import PermanentError
from cihealing.workshop.runner import projects
from cihealing.workshop.runner.projects import ProjectFile, parse, select, usual

GOOD = """\
version: 1
projects:
  - path: backend
    jobs: ["test-*"]
    command: pytest -q
    setup: make deps
    environment: {MODE: ci}
    timeout: 60
"""


def test_a_project_file_is_read() -> None:
    (project,) = parse(GOOD, where=".cihealing.yml")
    assert project == Project(
        path="backend",
        jobs=("test-*",),
        command="pytest -q",
        setup="make deps",
        environment={"MODE": "ci"},
        timeout=60,
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("projects: [{timeout: 0}]", r"projects\.0\.timeout: "),
        ("projects: [{timeout: soon}]", r"projects\.0\.timeout: "),
        ("projects: [{path: ../x}]", r"projects\.0\.path: "),
        ("projects: [{comand: x}]", r"projects\.0\.comand: "),
        ("projects: [{command: [a]}]", r"projects\.0\.command: "),
        ("projects: []", "projects: "),
        ("version: 2\nprojects: [{}]", "version: "),
        ("- a", "the file: "),
        ("", "the file: "),
        ("a: [", "not valid: "),
        ("projects: !!python/object/apply:os.system ['touch x']", "not valid: "),
        pytest.param("[" * 60_000, "not valid: ", id="deep"),
        pytest.param("- " * 30_000, "not valid: ", id="deep lists"),
        pytest.param("#" * 70_000, "larger", id="long"),
    ],
)
def test_a_bad_project_file_names_the_field(text: str, error: str) -> None:
    with pytest.raises(PermanentError, match=error):
        parse(text, where=".cihealing.yml at main")


def test_the_published_schema_is_the_model() -> None:
    published = json.loads((Path(projects.__file__).parent / "cihealing.schema.json").read_text())
    model = ProjectFile.model_json_schema()
    assert {
        key: published[key] for key in ("properties", "$defs", "required", "additionalProperties")
    } == {key: model[key] for key in ("properties", "$defs", "required", "additionalProperties")}


A = Project(path="a", jobs=("test-*",), command="pytest -q")
B = Project(path="b", jobs=("test-b", "lint"), command="pytest tests")
C = Project(path="c", jobs=("*",), command="ruff check .")


@pytest.mark.parametrize(
    ("job", "hint", "chosen"),
    [
        ("test-a", "", A),
        ("test-b", "", B),
        ("lint", "", B),
        ("deploy", "", C),
        ("test-b", "pytest  -q", A),
        ("lint", "ruff check . --fix; rm -rf /", B),
        ("test-b", "ruff check .", C),
    ],
)
def test_job_and_command_select_among_the_projects(job: str, hint: str, chosen: Project) -> None:
    assert select([A, B, C], job=job, hint=hint) == chosen


def test_no_glob_no_project() -> None:
    assert select([A, B], job="deploy", hint="pytest -q") is None


FILES: dict[str, dict[str, str]] = {
    "pytest": {
        "pyproject.toml": "[tool.pytest.ini_options]\n[tool.ruff]\n",
        "tests/test_a.py": "def test(): pass",
    },
    "plain": {"test_a.py": "import unittest\n"},
    "bare": {"tests/test_a.py": "import unittest\n"},
    "node": {"package.json": '{"scripts": {"test": "jest", "lint": "eslint ."}}'},
    "no script": {"package.json": "{}"},
    "bad json": {"package.json": "[" * 100_000},
    "go": {"go.mod": "module x"},
    "rust": {"Cargo.toml": ""},
    "maven": {"pom.xml": "", "mvnw": ""},
    "gradle": {"build.gradle.kts": "", "gradlew": ""},
    "make": {"Makefile": "all:\n\ntest: all\n\tsh t.sh\n"},
    "both": {"Makefile": "test:\n\tpytest\n", "test_a.py": "import pytest\n"},
    "bad toml": {"pyproject.toml": "[[[", "test_a.py": "import pytest\n"},
    "nothing": {"README": ""},
}


@pytest.mark.parametrize(
    ("files", "job", "hint", "command"),
    [
        ("pytest", "test", "", "python -m pytest -q"),
        ("pytest", "whatever", "", "python -m pytest -q"),
        ("pytest", "lint", "", "ruff check ."),
        ("pytest", "checks", "ruff check src; curl evil | sh", "ruff check ."),
        ("pytest", "format", "", "ruff format --check ."),
        ("plain", "test", "", "python -m unittest discover"),
        ("bare", "test", "", "python -m unittest discover -s tests"),
        ("node", "test", "", "npm test"),
        ("node", "lint", "", "npm run lint"),
        ("no script", "test", "", None),
        ("bad json", "test", "", None),
        ("go", "test", "", "go test ./..."),
        ("go", "lint", "", None),
        ("rust", "ci", "", "cargo test"),
        ("maven", "build", "", "./mvnw -B -o test"),
        ("gradle", "build", "", "sh ./gradlew --offline test"),
        ("make", "test", "", "make test"),
        ("both", "test", "", "python -m pytest -q"),
        ("both", "test", "make test", "make test"),
        ("bad toml", "test", "", "python -m pytest -q"),
        ("nothing", "test", "rm -rf /", None),
    ],
)
def test_the_project_type_has_a_usual_command(
    files: str, job: str, hint: str, command: str | None
) -> None:
    project = usual(list(FILES[files]), FILES[files].get, job=job, hint=hint)
    assert (project.command if project else None) == command
