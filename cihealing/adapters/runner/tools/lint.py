"""Linters, formatters and type checkers: they have no tests; the canary is a file that does not even parse, reported by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cihealing.adapters.runner.canary import Ground, Planted
from cihealing.adapters.runner.results import Tests
from cihealing.adapters.runner.tools.plan import Plan

name = "lint"

BROKEN = {".py": "def broken( = :\n", ".js": "const = ;\n", ".ts": "const = ;\n", ".go": "package )\n"}
TOOLS = {
    "ruff": ".py", "flake8": ".py", "pylint": ".py", "mypy": ".py", "pyright": ".py", "black": ".py", "isort": ".py",
    "compileall": ".py", "eslint": ".js", "prettier": ".js", "tsc": ".ts", "gofmt": ".go", "golangci-lint": ".go",
}  # fmt: skip
CALL = re.compile(rf"(?<![\w./-])({'|'.join(TOOLS)})(?![\w.-])")


def fits(command: str) -> bool:
    return tool_of(command) is not None


def tool_of(command: str) -> str | None:
    found = CALL.search(command)
    return found[1] if found else None


def plan(command: str, *, variant: str) -> Plan:
    return Plan(command=command)


def alone(command: str, tests: Sequence[str]) -> str | None:
    return None


def read(output: str, *, root: Path) -> Tests | None:
    return None


def plant(ground: Ground) -> Planted | None:
    """Into the first directory the command names; where it names files alone, one of them is broken instead."""
    suffix = TOOLS[tool_of(ground.command) or "ruff"]
    named = [ground.place / word for word in ground.words() if not word.startswith("-")]
    directory = next((path for path in named if path.is_dir()), None)
    file = next((path for path in named if path.suffix == suffix and path.is_file()), None)
    if directory is None and file is not None:
        return ground.plant(file, f"{ground.read(file) or ''}\n{BROKEN[suffix]}", mark=file.name, in_output=True)
    target = (directory or ground.place) / f"m{ground.mark}{suffix}"
    return ground.plant(target, BROKEN[suffix], in_output=True)
