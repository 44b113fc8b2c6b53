"""Which project a CI job stands for: policy, else `.cihealing.yml` on the base branch, else what
its files say it is.

A job name and a command from a webhook or a log only select among these; no word of them is ever
run.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from cihealing.domain.policy import Project, Strict
from cihealing.ports import PermanentError

FILE = ".cihealing.yml"
MAX_LENGTH = 64 * 1024
NESTING, MAX_NESTING = ("[", "{", "- ", "? "), 2000
"""What opens a level in YAML: its parser takes seconds for a few ten thousand."""
MAX_HINT = 2000

Read = Callable[[str], str | None]


class ProjectFile(Strict):
    """`.cihealing.yml`; cihealing.schema.json beside this file is the same as a JSON schema."""

    version: Literal[1] = 1
    projects: Annotated[tuple[Project, ...], Field(min_length=1, max_length=100)]


def parse(text: str, *, where: str) -> tuple[Project, ...]:
    """Raises PermanentError that names the field."""
    if len(text) > MAX_LENGTH or sum(map(text.count, NESTING)) > MAX_NESTING:
        raise PermanentError(f"{where} is not valid: it is larger than any list of projects")
    try:
        return ProjectFile.model_validate(yaml.safe_load(text)).projects
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise PermanentError(f"{where} is not valid: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors()[:5]
        )
    return " ".join(str(error).split())[:300] or "nested too deeply"


def select(projects: Sequence[Project], *, job: str, hint: str) -> Project | None:
    """The project whose job glob fits; of several the one that runs what CI says it ran, then the
    one that names the job best.
    """
    fitting = [p for p in projects if any(fnmatchcase(job, glob) for glob in p.jobs)]
    said = " ".join(hint[:MAX_HINT].split())
    return max(
        fitting,
        key=lambda p: (_same(p.command, said), _precision(p, job), _shared(p.command, said)),
        default=None,
    )


def _same(command: str, said: str) -> bool:
    return bool(command) and " ".join(command.split()) == said


def _precision(project: Project, job: str) -> int:
    """Letters the best fitting glob spells out."""
    return max(len(glob) - glob.count("*") for glob in project.jobs if fnmatchcase(job, glob))


def _shared(command: str, said: str) -> int:
    return len(words(command) & words(said))


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text[:MAX_HINT].lower()))


@dataclass(frozen=True, kw_only=True)
class Usual:
    """A usual command; `says` are the words in a job name or command that mean it."""

    command: str
    says: frozenset[str]
    tests: bool = True


TEST_WORDS = frozenset({"test", "tests", "unit", "ci", "build", "check"})
LINT_WORDS = frozenset(
    {"lint", "linter", "style", "static", "quality", "format", "fmt", "typecheck", "types"}
)


def usual(files: Sequence[str], read: Read, *, job: str, hint: str) -> Project | None:
    """The usual command of the project type; a lint job of a project without a known linter stands
    for nothing.
    """
    kinds = list(kinds_of(frozenset(files), read))
    said = words(f"{job[:MAX_HINT]} {hint}")
    fitting = [k for k in kinds if k.tests or k.says & said]
    if said & LINT_WORDS and not said & TEST_WORDS:
        fitting = [k for k in fitting if not k.tests]
    best = max(fitting, key=lambda k: _weight(k.says & said), default=None)
    return None if best is None else Project(command=best.command)


def _weight(said: frozenset[str]) -> int:
    """A tool's own name says more than any number of words like `test` and `check`."""
    return 100 * len(said - TEST_WORDS - LINT_WORDS) + len(said)


def kinds_of(files: frozenset[str], read: Read) -> list[Usual]:
    finders = (_python, _node, _go, _cargo, _jvm, _make, _ruff)
    return [kind for find in finders for kind in find(files, read)]


def _python(files: frozenset[str], read: Read) -> list[Usual]:
    tests = [f for f in sorted(files) if re.search(r"(?:\A|/)(?:test_[^/]*|[^/]*_test)\.py\Z", f)]
    if not tests:
        return []
    by_pytest = files & {"pytest.ini", "conftest.py", "tests/conftest.py"} or any(
        "pytest" in (read(f) or "") for f in _declaring(files)
    )
    if by_pytest or not all("unittest" in (read(f) or "") for f in tests[:20]):
        return [Usual(command="python -m pytest -q", says=TEST_WORDS | {"pytest", "python", "py"})]
    return [Usual(command=_discover(files, tests), says=TEST_WORDS | {"unittest", "python", "py"})]


def _discover(files: frozenset[str], tests: Sequence[str]) -> str:
    """unittest enters packages only: a bare `tests` directory is named."""
    bare = tests[0].startswith("tests/") and "tests/__init__.py" not in files
    return "python -m unittest discover -s tests" if bare else "python -m unittest discover"


def _declaring(files: frozenset[str]) -> list[str]:
    return [
        f
        for f in (
            "pyproject.toml",
            "setup.cfg",
            "setup.py",
            "tox.ini",
            "requirements.txt",
            "requirements-dev.txt",
        )
        if f in files
    ]


def _ruff(files: frozenset[str], read: Read) -> list[Usual]:
    configured = files & {"ruff.toml", ".ruff.toml"} or "ruff" in _tool_table(
        read("pyproject.toml") or ""
    )
    if not configured:
        return []
    check = Usual(
        command="ruff check .", says=LINT_WORDS - {"format", "fmt"} | {"ruff"}, tests=False
    )
    return [
        check,
        Usual(
            command="ruff format --check .",
            says=frozenset({"format", "fmt", "formatting"}),
            tests=False,
        ),
    ]


def _tool_table(text: str) -> dict[str, object]:
    try:
        table = tomllib.loads(text).get("tool", {})
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def _node(files: frozenset[str], read: Read) -> list[Usual]:
    scripts = _scripts(read("package.json") or "") if "package.json" in files else {}
    kinds = (
        [Usual(command="npm test", says=TEST_WORDS | {"npm", "node", "jest", "vitest", "js"})]
        if "test" in scripts
        else []
    )
    lint = Usual(command="npm run lint", says=LINT_WORDS | {"eslint"}, tests=False)
    return [*kinds, lint] if "lint" in scripts else kinds


def _scripts(text: str) -> dict[str, object]:
    try:
        scripts = json.loads(text).get("scripts", {})
    except (ValueError, AttributeError, RecursionError):
        return {}
    return scripts if isinstance(scripts, dict) else {}


def _go(files: frozenset[str], _read: Read) -> list[Usual]:
    return (
        [Usual(command="go test ./...", says=TEST_WORDS | {"go", "golang"})]
        if "go.mod" in files
        else []
    )


def _cargo(files: frozenset[str], _read: Read) -> list[Usual]:
    return (
        [Usual(command="cargo test", says=TEST_WORDS | {"cargo", "rust"})]
        if "Cargo.toml" in files
        else []
    )


def _jvm(files: frozenset[str], _read: Read) -> list[Usual]:
    says = TEST_WORDS | {"java", "jvm", "kotlin"}
    maven = "./mvnw" if "mvnw" in files else "mvn"
    gradle = "sh ./gradlew" if "gradlew" in files else "gradle"
    kinds = (
        [Usual(command=f"{maven} -B -o test", says=says | {"mvn", "maven"})]
        if "pom.xml" in files
        else []
    )
    built = files & {"build.gradle", "build.gradle.kts"}
    return (
        [*kinds, Usual(command=f"{gradle} --offline test", says=says | {"gradle", "gradlew"})]
        if built
        else kinds
    )


def _make(files: frozenset[str], read: Read) -> list[Usual]:
    """The least telling of all: any other finding goes before it."""
    makefile = read("Makefile") or "" if "Makefile" in files else ""
    return (
        [Usual(command="make test", says=frozenset({"make"}))]
        if re.search(r"^test\s*:", makefile, re.MULTILINE)
        else []
    )
