"""Reading and writing the files of a tree, bounded, and never through a symbolic link."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MAX_FILES = 3_000
MAX_BYTES = 512 * 1024
"""Of one file; larger ones are generated and nobody's to fix."""
SKIPPED = frozenset({
    ".git", ".hg", ".svn", ".venv", "venv", "env", ".tox", ".nox", ".eggs", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache",
    ".pytest_cache", "site-packages", "build", "dist", "vendor", "third_party",
})  # fmt: skip


def python_files(tree: Path) -> Iterator[str]:
    """Paths of regular `.py` files below `tree`, sorted, as `a/b.py`; at most MAX_FILES."""
    count = 0
    for directory, names, files in os.walk(tree):
        names[:] = sorted(n for n in names if n not in SKIPPED and not Path(directory, n).is_symlink())
        for name in sorted(files):
            path = Path(directory, name)
            if name.endswith(".py") and not path.is_symlink():
                yield path.relative_to(tree).as_posix()
                count += 1
                if count >= MAX_FILES:
                    return


def inside(tree: Path, path: str) -> Path | None:
    """The regular file `path` names below `tree`; None where there is none, or where a link is on the way."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path or ".git" in parts:
        return None
    place = tree
    for part in parts:
        place = place / part
        try:
            mode = place.lstat().st_mode
        except OSError:
            return None
        if stat.S_ISLNK(mode):
            return None
    return place if stat.S_ISREG(mode) else None


def read(tree: Path, path: str) -> str | None:
    """The text of a file as it is on disk (line ends kept); None where it is missing, too large, a link, or no UTF-8."""
    place = inside(tree, path)
    if place is None or place.stat().st_size > MAX_BYTES:
        return None
    try:
        return place.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def write(tree: Path, path: str, text: str) -> None:
    """Replace an existing file at once, its mode kept. Raises FileNotFoundError where `inside` finds none."""
    place = inside(tree, path)
    if place is None:
        raise FileNotFoundError(path)
    mode = stat.S_IMODE(place.stat().st_mode)
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=".cihealing-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        Path(name).chmod(mode)
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def named_in_tree(tree: Path, path: str, *, workdir: str = ".") -> str | None:
    """The file of the tree a log calls `path`: below the project, below the root, or under another machine's directories."""
    parts = [p for p in PurePosixPath(path.replace("\\", "/")).parts if p not in ("/", ".")]
    if path.startswith("/"):
        tries = ["/".join(parts[n:]) for n in range(min(len(parts), 20))]
    else:
        tries = ["/".join((*PurePosixPath(workdir).parts, *parts)), "/".join(parts)]
    return next((t for t in tries if inside(tree, t) is not None), None)
