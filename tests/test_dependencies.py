"""What is required is used, and what is used is required: a package that nobody imports is only a
way in.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"cihealing", "config", "dashboard"}
NAMED = {"whitenoise", "axes", "csp", "django_htmx", "psycopg"}
"""Named in settings instead of imported: middleware, applications, the database's driver."""
BROUGHT = {
    "httpx2": "openai",
    "asgiref": "django",
    "requests": "PyGithub",
    "psycopg_pool": "psycopg",
}
"""Part of what another one is used through (its clients, its errors), which decides which version
it is.
"""


def name_of(requirement: str) -> str:
    return re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0].lower().replace("_", "-")


@lru_cache
def imported() -> frozenset[str]:
    """Packages from elsewhere that the code imports, at the top of a file or inside a function."""
    found: set[str] = set()
    for path in (path for room in OURS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.partition(".")[0] in NAMED
            ):
                found.add(node.value.partition(".")[0])
    return frozenset(found - OURS - set(sys.stdlib_module_names))


@lru_cache
def installed() -> Mapping[str, list[str]]:
    """Package to distributions; asked once, for it reads what every one of them recorded."""
    return packages_distributions()


def distributions(package: str) -> set[str]:
    return {name.lower().replace("_", "-") for name in installed().get(package, ())}


def test_every_required_package_is_imported_or_named_in_settings() -> None:
    used = {name for package in imported() for name in distributions(package)}
    named = "psycopg" if "postgresql" in (ROOT / "config" / "databases.py").read_text() else ""
    unused = {name_of(requirement) for requirement in PROJECT["dependencies"]} - used - {named}
    assert unused == set()


def test_every_imported_package_is_required() -> None:
    required = {
        name_of(requirement)
        for requirement in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["fast"]]
    }
    foreign = {
        package
        for package in imported() - set(BROUGHT)
        if distributions(package).isdisjoint(required)
    }
    assert foreign == set()
