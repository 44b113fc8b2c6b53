"""A test that must fail, put where the project's runner finds it: a runner that cannot report red
proves nothing.

The name is drawn from the hash of the very tree that is tested, so no patch can know it. It goes
beside, or into, the file of the test that failed: what a conftest or a skip mark does to that test,
it does to the canary too.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cihealing.tree import Tree
from cihealing.workshop.runner.results import Tests

MAX_WALK = 20_000
MAX_PARSED = 128 * 1024
MAIN = re.compile(r"if\b[^\n#]{0,200}\b__name__\b")
SKIPPED_DIRECTORIES = frozenset(
    {
        ".git",
        "node_modules",
        ".venv",
        "venv",
        "target",
        "build",
        "dist",
        "__pycache__",
        "vendor",
        ".tox",
    }
)


def mark_of(*, tree: str, commit: str, purpose: str) -> str:
    """16 hex digits nobody can know before the tree exists."""
    return hashlib.sha256(f"{purpose}\n{tree}\n{commit}".encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Planted:
    """`mark` is part of the planted test's id, or (linters) of the output that reports it; `file`
    is relative to the root.
    """

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
        return (
            tests is not None
            and bool(tests.failed)
            and all(self.mark in name for name in tests.failed)
        )


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where a canary may be planted. Paths are relative to the tree, as is `workdir`."""

    tree: Tree
    workdir: str
    command: str
    mark: str
    tests: Sequence[str] = ()

    def words(self) -> list[str]:
        """The command's words after shell quoting; none where it is no well-formed command line."""
        try:
            return shlex.split(self.command)
        except ValueError:
            return []

    def at(self, name: str) -> str:
        """The path of what the command calls `name`; empty where that is not below the tree."""
        path = (
            posixpath.normpath(posixpath.join(self.workdir, name))
            if "\0" not in name and len(name) < 400
            else ".."
        )
        return "" if path.startswith(("/", "..")) else path

    def called(self, path: str) -> str:
        """What the command calls `path`."""
        return posixpath.relpath(path, self.workdir)

    def read(self, path: str) -> str | None:
        return self.tree.text(path)

    def plant(
        self,
        path: str,
        content: str | None,
        *,
        mark: str = "",
        in_output: bool = False,
        select: str = "",
    ) -> Planted | None:
        """None where there is nothing to plant, or something is in the way that a file cannot
        replace.
        """
        if content is None:
            return None
        try:
            self.tree.write(path, content.encode("utf-8", "surrogateescape"))
        except (OSError, ValueError):
            return None
        return Planted(file=path, mark=mark or self.mark, in_output=in_output, select=select)

    def files(self, pattern: re.Pattern[str]) -> Iterator[str]:
        """Files of the command's working directory whose name fits: those of the failed tests and
        of the command first.
        """
        seen: set[str] = set()
        for path in (*self._named(), *self._below(self.workdir)):
            if path not in seen and pattern.search(path.rpartition("/")[2]):
                seen.add(path)
                yield path

    def _named(self) -> Iterator[str]:
        # The last of them: under `-x` every test that failed has its turn before the canary.
        names = sorted({name.split("::")[0] for name in self.tests}, reverse=True) + [
            word.split("::")[0] for word in self.words()
        ]
        for path in filter(None, (self.at(name) for name in names if name)):
            if self.tree.has_file(path):
                yield path
            elif path != "." and self.tree.has_directory(path):
                yield from self._below(path)

    def _below(self, place: str) -> Iterator[str]:
        found = (
            e.path
            for e in self.tree.walk(place, leave_out=SKIPPED_DIRECTORIES.__contains__)
            if e.is_file
        )
        yield from itertools.islice(found, MAX_WALK)


def before_main(source: str, addition: str) -> str | None:
    """`source` with `addition` at its end, but before a final `if __name__ …` that would run the
    tests without it.

    None where it is no Python; of a long one that is not found out, for a parser takes a kilobyte
    for each character.
    """
    lines = source.splitlines(keepends=True)
    guards = (
        _guards(source)
        if len(source) <= MAX_PARSED
        else [n for n, line in enumerate(lines, 1) if MAIN.match(line)]
    )
    if guards is None:
        return None
    at = min(guards, default=len(lines) + 1) - 1
    head = "".join(lines[:at])
    return f"{head.rstrip()}\n\n\n{addition}\n\n" + "".join(lines[at:])


def _guards(source: str) -> list[int] | None:
    """Lines on which an `if __name__ …` of the module itself begins; None where it is no Python."""
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = (node for node in module.body if isinstance(node, ast.If))
    return [
        node.lineno
        for node in found
        if any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test))
    ]


def base_name(tests: Sequence[str], *, usual: str) -> str:
    """The name of the failed test, so that a selection by name (`-k`, `-run`) takes the canary
    too.
    """
    last = re.split(r"::|\.|/", tests[0].split("[")[0])[-1] if tests else ""
    return last if re.fullmatch(r"[A-Za-z_]\w{0,100}", last) else usual
