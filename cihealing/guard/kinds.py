"""What kind of file a path is, from its name alone."""

from __future__ import annotations

import re

TEST_DIRECTORY = re.compile(
    r"(^|/)(tests?|specs?|__tests__|__snapshots__|__mocks__|testing|testdata|fixtures|e2e|cypress|[a-z0-9]+[_-]tests?|tests?[_-][a-z0-9]+)/"
)
TEST_NAME = re.compile(
    r"(^|/)(tests?\.py|test_[^/]*\.py|[^/]*_tests?\.(py|go|rs|rb|exs|dart|cc|cpp|c)|[^/]*[._-](test|spec)s?\.[cm]?[jt]sx?|[^/]*_spec\.rb|[^/]*\.snap)$"
)
TEST_CLASS = re.compile(
    r"(^|/)(Test[A-Z0-9][^/]*|[^/]*(Test|Tests|TestCase|IT|Spec|Should))\.(java|kt|kts|scala|groovy|cs|php|swift|fs|vb|m)$"
)
PROSE = (".md", ".rst", ".txt", ".adoc", ".html")
LOCK_FILES = (
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lockb",
    "poetry.lock",
    "pdm.lock",
    "uv.lock",
    "pipfile.lock",
    "cargo.lock",
    "go.sum",
    "gemfile.lock",
    "composer.lock",
    "packages.lock.json",
    "mix.lock",
    "pubspec.lock",
    "gradle.lockfile",
)
DEPENDENCY_FILES = (
    "package.json",
    "pyproject.toml",
    "setup.py",
    "pipfile",
    "cargo.toml",
    "go.mod",
    "gemfile",
    "composer.json",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "settings.gradle",
    "mix.exs",
    "pubspec.yaml",
    "environment.yml",
    "dockerfile",
    "docker-compose.yml",
    "compose.yaml",
)
REQUIREMENTS = re.compile(
    r"(^|/)((requirements|constraints)[^/]*\.(txt|in)|requirements/[^/]*\.(txt|in|lock)|[^/]*\.(csproj|gemspec))$"
)
MIGRATION = re.compile(r"(^|/)(migrations?|migrate|alembic|flyway)/|(^|/)schema\.(rb|sql)$")


def is_test(path: str) -> bool:
    folded = path.casefold()
    return bool(
        TEST_DIRECTORY.search(folded) or TEST_NAME.search(folded) or TEST_CLASS.search(path)
    )


def is_prose(path: str) -> bool:
    return path.casefold().endswith(PROSE) and not REQUIREMENTS.search(path.casefold())


def is_dependency(path: str) -> bool:
    folded = path.casefold()
    name = folded.rpartition("/")[2]
    return name in LOCK_FILES or name in DEPENDENCY_FILES or bool(REQUIREMENTS.search(folded))


def is_migration(path: str) -> bool:
    return bool(MIGRATION.search(path.casefold()))
