"""A test that must fail, put where the project's runner finds it: a runner that cannot report red proves nothing.

The name is drawn from the hash of the very tree that is tested, so no patch can know it. It goes beside, or into, the file of
the test that failed: what a conftest or a skip mark does to that test, it does to the canary too.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cihealing.adapters.runner.results import Tests, read_inside

MAX_WALK = 20_000
SKIPPED_DIRECTORIES = frozenset({".git", "node_modules", ".venv", "venv", "target", "build", "dist", "__pycache__", "vendor", ".tox"})


def mark_of(*, tree: str, commit: str, purpose: str) -> str:
    """16 hex digits nobody can know before the tree exists."""
    return hashlib.sha256(f"{purpose}\n{tree}\n{commit}".encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Planted:
    """`mark` is part of the planted test's id, or (linters) of the output that reports it; `file` is relative to the root."""

    file: str
    mark: str
    in_output: bool = False
    select: str = ""
    """What the command must be told to run besides, where it names single tests."""

    def reported(self, *, tests: Tests | None, output: str, exit_code: int | None) -> bool:
        """True where exactly the planted test, and nothing else, was reported as failed."""
        if exit_code in (0, None):
            return False
        if self.in_output:
            return self.mark in output
        return tests is not None and bool(tests.failed) and all(self.mark in name for name in tests.failed)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where a canary may be planted. `workdir` is relative to `root`; nothing is read or written through a link."""

    root: Path
    workdir: str
    command: str
    mark: str
    tests: Sequence[str] = ()

    @property
    def place(self) -> Path:
        return self.root / self.workdir

    def words(self) -> list[str]:
        """The command's words after shell quoting; none where it is no well-formed command line."""
        try:
            return shlex.split(self.command)
        except ValueError:
            return []

    def read(self, path: Path) -> str | None:
        content = read_inside(path, root=self.root)
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError:
            return None

    def write(self, path: Path, content: str) -> str | None:
        """The path relative to the root; None where a link leads out of the tree."""
        if path.is_symlink() or not path.parent.resolve().is_relative_to(self.root.resolve()):
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return os.path.relpath(path, self.root)

    def plant(self, path: Path, content: str | None, *, mark: str = "", in_output: bool = False, select: str = "") -> Planted | None:
        file = None if content is None else self.write(path, content)
        return None if file is None else Planted(file=file, mark=mark or self.mark, in_output=in_output, select=select)

    def files(self, pattern: re.Pattern[str]) -> Iterator[Path]:
        """Files of the command's working directory whose name fits: those of the failed tests and of the command first."""
        seen: set[Path] = set()
        for path in (*self._named(), *self._walked()):
            if path not in seen and pattern.search(path.name) and path.is_file() and not path.is_symlink():
                seen.add(path)
                yield path

    def _named(self) -> Iterator[Path]:
        # The last of them: under `-x` every test that failed has its turn before the canary.
        names = sorted({name.split("::")[0] for name in self.tests}, reverse=True) + [word.split("::")[0] for word in self.words()]
        for name in names:
            path = Path(os.path.normpath(self.place / name)) if name and "\0" not in name and len(name) < 400 else self.root
            if path.is_relative_to(self.root) and path != self.root:
                yield from walk(path) if path.is_dir() else [path]

    def _walked(self) -> Iterator[Path]:
        return walk(self.place)


def walk(place: Path) -> Iterator[Path]:
    count = 0
    for directory, names, files in os.walk(place, followlinks=False):
        names[:] = sorted(n for n in names if n not in SKIPPED_DIRECTORIES)
        for file in sorted(files):
            count += 1
            if count > MAX_WALK:
                return
            yield Path(directory) / file


def before_main(source: str, addition: str) -> str | None:
    """`source` with `addition` at its end, but before a final `if __name__ …` that would run the tests without it."""
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    lines = source.splitlines(keepends=True)
    guards = [node.lineno for node in module.body if isinstance(node, ast.If) and "__name__" in ast.dump(node.test)]
    at = min(guards, default=len(lines) + 1) - 1
    head = "".join(lines[:at])
    return f"{head.rstrip()}\n\n\n{addition}\n\n" + "".join(lines[at:])


def base_name(tests: Sequence[str], *, usual: str) -> str:
    """The name of the failed test, so that a selection by name (`-k`, `-run`) takes the canary too."""
    last = re.split(r"::|\.|/", tests[0].split("[")[0])[-1] if tests else ""
    return last if re.fullmatch(r"[A-Za-z_]\w{0,100}", last) else usual
