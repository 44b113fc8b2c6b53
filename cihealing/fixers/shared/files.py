"""The files of a tree as fixers see them: text, bounded, named as a log names them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import PurePosixPath

from cihealing.tree import Tree

MAX_FILES = 3_000
MAX_BYTES = 128 * 1024
"""Of one file; larger ones are generated and nobody's to fix, and a parser takes a kilobyte for
each byte of them.
"""
SKIPPED = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        ".venv",
        "venv",
        "env",
        ".tox",
        ".nox",
        ".eggs",
        "node_modules",
        "__pycache__",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        "site-packages",
        "build",
        "dist",
        "vendor",
        "third_party",
    }
)


def python_files(tree: Tree) -> Iterator[str]:
    """Paths of regular `.py` files below `tree`, as `a/b.py`; at most MAX_FILES."""
    found = (
        e.path
        for e in tree.walk(leave_out=SKIPPED.__contains__)
        if e.is_file and e.path.endswith(".py")
    )
    yield from itertools.islice(found, MAX_FILES)


def inside(tree: Tree, path: str) -> bool:
    """Whether `path` names a regular file below `tree`, with no link on the way."""
    return ".git" not in PurePosixPath(path).parts and tree.has_file(path)


def read(tree: Tree, path: str) -> str | None:
    """The text of a file as it is on disk (line ends kept); None where it is missing, too large, a
    link, or no UTF-8.
    """
    return tree.text(path, limit=MAX_BYTES) if inside(tree, path) else None


def write(tree: Tree, path: str, text: str) -> None:
    """Replace an existing file at once, its mode kept. Raises FileNotFoundError where `inside`
    finds none.
    """
    if not inside(tree, path):
        raise FileNotFoundError(path)
    tree.write(path, text.encode())


def named_in_tree(tree: Tree, path: str, *, workdir: str = ".") -> str | None:
    """The file of the tree a log calls `path`: below the project, below the root, or under another
    machine's directories.
    """
    parts = [p for p in PurePosixPath(path.replace("\\", "/")).parts if p not in ("/", ".")]
    if path.startswith("/"):
        tries = ["/".join(parts[n:]) for n in range(min(len(parts), 20))]
    else:
        tries = ["/".join((*PurePosixPath(workdir).parts, *parts)), "/".join(parts)]
    return next((t for t in tries if inside(tree, t)), None)
