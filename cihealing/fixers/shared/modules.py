"""The Python modules of a tree, read with `ast`: what they define, what they import, and under
which name they are imported.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from cihealing.fixers.shared import files
from cihealing.tree import Tree

MAX_TOTAL = 32 * 1024 * 1024
"""Bytes of source read for one question."""
MAX_PARSED = 2 * 1024 * 1024
"""Characters of source parsed for one question: they take a thousand times as much memory."""


def parse(text: str) -> ast.Module | None:
    """None where it is no Python this interpreter can read."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@dataclass(frozen=True, kw_only=True)
class Index:
    """A tree's modules. Texts are read once; a file is parsed only when its text holds what is
    asked for.
    """

    tree: Tree
    workdir: str = "."
    _parsed: dict[str, ast.Module | None] = field(default_factory=dict)

    @cached_property
    def texts(self) -> dict[str, str]:
        found: dict[str, str] = {}
        total = 0
        for path in files.python_files(self.tree):
            text = files.read(self.tree, path)
            total += len(text or "")
            if total > MAX_TOTAL:
                break
            if text is not None:
                found[path] = text
        return found

    def module(self, path: str) -> ast.Module | None:
        if path not in self._parsed:
            text = self.texts.get(path)
            left = MAX_PARSED - sum(len(self.texts[p]) for p in self._parsed if p in self.texts)
            self._parsed[path] = None if text is None or len(text) > left else parse(text)
        return self._parsed[path]

    def defining(self, name: str) -> Iterator[str]:
        """Files that define `name` at their top level, tests left out."""
        for path, text in self.texts.items():
            if (
                name in text
                and not is_test(path)
                and (module := self.module(path)) is not None
                and name in defined(module)
            ):
                yield path

    def importing(self, word: str) -> Iterator[tuple[str, ast.Import | ast.ImportFrom]]:
        """Every import statement of the files that hold `word`, nested ones too."""
        for path, text in self.texts.items():
            if word in text and (module := self.module(path)) is not None:
                yield from (
                    (path, n)
                    for n in ast.walk(module)
                    if isinstance(n, ast.Import | ast.ImportFrom)
                )

    def named(self, leaf: str) -> Iterator[str]:
        """Files that are the module or package `leaf`, tests left out."""
        return (p for p in self.texts if not is_test(p) and parts_of(p)[-1:] == (leaf,))

    def is_package(self, directory: PurePosixPath) -> bool:
        return (directory / "__init__.py").as_posix() in self.texts

    def dotted(self, path: str, *, seen_from: str) -> str | None:
        """The name other code imports the file by: as it is imported elsewhere, else as its
        packages say.
        """
        parts = parts_of(path)
        known = [n for n in (".".join(parts[i:]) for i in range(len(parts))) if n in self.imported]
        if len(known) == 1:
            return known[0]
        return ".".join(self.plain_parts(path, seen_from=seen_from)) or None

    @cached_property
    def imported(self) -> frozenset[str]:
        """Dotted names that stand in an absolute import somewhere in the tree."""
        found: set[str] = set()
        for path in self.texts:
            module = self.module(path)
            for node in ast.walk(module) if module else ():
                if isinstance(node, ast.Import):
                    found.update(a.name for a in node.names)
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    found.add(node.module)
        return frozenset(found)

    def plain_parts(self, path: str, *, seen_from: str) -> tuple[str, ...]:
        parts, directory = parts_of(path), PurePosixPath(path).parent
        top = directory
        while top.parts and self.is_package(top):
            top = top.parent
        if top != directory:
            return parts[len(top.parts) :]
        if PurePosixPath(seen_from).parent == directory and not self.is_package(directory):
            return parts[len(directory.parts) :]
        for root in (
            PurePosixPath(self.workdir) / "src",
            PurePosixPath("src"),
            PurePosixPath(self.workdir),
        ):
            if root.parts and directory.is_relative_to(root):
                return parts[len(root.parts) :]
        return parts

    def package(self, path: str) -> tuple[str, ...]:
        """The dotted package a file stands in, for relative imports; empty for none."""
        name = self.plain_parts(path, seen_from="")
        return name if path.endswith("/__init__.py") else name[:-1]


def parts_of(path: str) -> tuple[str, ...]:
    parts = PurePosixPath(path).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def is_test(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return (
        bool({"tests", "test", "testing"} & set(parts[:-1]))
        or parts[-1].startswith("test_")
        or parts[-1].endswith("_test.py")
        or parts[-1] == "conftest.py"
    )


def defined(module: ast.Module) -> set[str]:
    """Names a module makes at its top level (not those it only imports)."""
    found: set[str] = set()
    for node in module.body:
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                found.add(name)
            case ast.Assign(targets=targets):
                found.update(n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                found.add(name)
    return found


def bound(module: ast.Module) -> set[str]:
    """Every name that is given a value anywhere in the module, however deep: adding an import for
    one of these would be a guess.
    """
    found: set[str] = set()
    for node in ast.walk(module):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                found.add(name)
            case ast.alias(name=name, asname=asname):
                found.add(asname or name.partition(".")[0])
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                found.add(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                found.update(names)
    return found


def uses(module: ast.Module, name: str) -> list[ast.Name]:
    return [
        n
        for n in ast.walk(module)
        if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
    ]


def attributes(module: ast.Module, name: str) -> set[str]:
    """What is asked of `name` as `name.attribute`."""
    return {
        n.attr
        for n in ast.walk(module)
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == name
    }
