"""Linters, formatters and type checkers: they have no tests; the canary is a file that does not
even parse, reported by name.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from cihealing.tree import Tree
from cihealing.workshop.runner.canary import Ground, Planted
from cihealing.workshop.runner.results import Tests
from cihealing.workshop.runner.tools.plan import Plan

name = "lint"

BROKEN = {
    # isort does not parse: it refuses the order.
    ".py": "import sys\nimport os\ndef broken( = :\n",
    ".js": "const = ;\n",
    ".ts": "const = ;\n",
    ".go": "package )\n",
    ".txt": "recieve teh\n",
}
TOOLS = {
    "ruff": ".py",
    "flake8": ".py",
    "pylint": ".py",
    "mypy": ".py",
    "pyright": ".py",
    "black": ".py",
    "isort": ".py",
    "pyflakes": ".py",
    "pycodestyle": ".py",
    "yapf": ".py",
    "codespell": ".txt",
    "compileall": ".py",
    "eslint": ".js",
    "prettier": ".js",
    "tsc": ".ts",
    "gofmt": ".go",
    "golangci-lint": ".go",
}
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


def read(output: str, *, tree: Tree, place: str) -> Tests | None:
    return None


def plant(ground: Ground) -> Planted | None:
    """Into the first directory the command names; where it names files alone, one of them is broken
    instead.
    """
    suffix = TOOLS[tool_of(ground.command) or "ruff"]
    named = [
        path for word in ground.words() if not word.startswith("-") and (path := ground.at(word))
    ]
    directory = next((path for path in named if ground.tree.has_directory(path)), None)
    file = next(
        (path for path in named if path.endswith(suffix) and ground.tree.has_file(path)), None
    )
    if directory is None and file is not None:
        return ground.plant(
            file,
            f"{ground.read(file) or ''}\n{BROKEN[suffix]}",
            mark=posixpath.basename(file),
            in_output=True,
        )
    return ground.plant(
        posixpath.join(directory or ground.workdir, f"m{ground.mark}{suffix}"),
        BROKEN[suffix],
        in_output=True,
    )
