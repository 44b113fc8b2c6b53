"""Following what moved within the repository: a module that has another path now, or a name that
lives in another module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from cihealing.fixers.shared import files, modules
from cihealing.fixers.shared.imports import newline_of
from cihealing.fixers.shared.modules import Index

MAX_STATEMENTS = 20


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What Python could not import: a module, or (`name` set) a name from one."""

    module: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A `from … import …` that names what moved; `first` and `last` are its lines, from 1."""

    file: str
    node: ast.ImportFrom
    module: str
    """Absolute."""

    @property
    def lines(self) -> tuple[int, int]:
        return self.node.lineno, self.node.end_lineno or self.node.lineno


def follow(index: Index, moved: list[Moved]) -> str | None:
    """Rewrite every statement that names what moved, in one sentence; None (and nothing written)
    unless each has exactly one new home.
    """
    edits: dict[str, list[tuple[Statement, str]]] = {}
    told: list[str] = []
    for one in moved:
        statements = list(statements_of(index, one))[: MAX_STATEMENTS + 1]
        if not statements or len(statements) > MAX_STATEMENTS:
            return None
        for statement in statements:
            home = new_home(index, statement, one)
            if home is None or (code := rewritten(statement, one, home)) is None:
                return None
            edits.setdefault(statement.file, []).append((statement, code))
            told.append(f"{statement.file} imports from `{home}`")
    texts = {path: edited(index.texts[path], changes) for path, changes in edits.items()}
    if not texts or any(text is None for text in texts.values()):
        return None
    for path, text in texts.items():
        files.write(index.tree, path, text or "")
    return "Followed what moved: " + ", ".join(dict.fromkeys(told))


def statements_of(index: Index, moved: Moved) -> Iterator[Statement]:
    leaf = moved.module.rpartition(".")[2]
    for path, node in index.importing(leaf):
        if not isinstance(node, ast.ImportFrom) or any(a.name == "*" for a in node.names):
            continue
        module = absolute(index, path, node)
        if module == moved.module and (
            not moved.name or any(a.name == moved.name for a in node.names)
        ):
            yield Statement(file=path, node=node, module=module)


def absolute(index: Index, path: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = index.package(path)
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def new_home(index: Index, statement: Statement, moved: Moved) -> str | None:
    """The one module that now defines all that is asked for; one of the old leaf name is
    preferred.
    """
    names = {moved.name} if moved.name else {a.name for a in statement.node.names}
    homes = {
        p for p in index.defining(min(names)) if p != statement.file and defines(index, p, names)
    }
    same_leaf = homes & set(index.named(moved.module.rpartition(".")[2]))
    chosen = same_leaf if not moved.name and same_leaf else homes
    if len(chosen) != 1:
        return None
    dotted = index.dotted(chosen.pop(), seen_from=statement.file)
    return dotted if dotted != moved.module else None


def defines(index: Index, path: str, names: set[str]) -> bool:
    module = index.module(path)
    return module is not None and names <= modules.defined(module)


def rewritten(statement: Statement, moved: Moved, home: str) -> str | None:
    """The statement with its new home; names that stay where they were keep a statement of their
    own.
    """
    goes = [a for a in statement.node.names if not moved.name or a.name == moved.name]
    stays = [a for a in statement.node.names if a not in goes]
    indent = " " * statement.node.col_offset
    old = "." * statement.node.level + (statement.node.module or "")
    code = [
        f"{indent}from {source} import {', '.join(map(spelled, names))}"
        for source, names in ((old, stays), (home, goes))
        if names
    ]
    return "\n".join(code) if all(len(line) < 120 for line in code) else None


def spelled(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def edited(text: str, changes: list[tuple[Statement, str]]) -> str | None:
    """None where a statement shares its lines with something else, which would be lost."""
    newline = newline_of(text)
    if newline is None:
        return None
    lines = text.replace("\r\n", "\n").split("\n")
    for statement, code in sorted(changes, key=lambda c: c[0].lines, reverse=True):
        first, last = statement.lines
        old = "\n".join(lines[first - 1 : last])
        if "#" in old or ";" in old or old[: statement.node.col_offset].strip():
            return None
        lines[first - 1 : last] = code.split("\n")
    return newline.join(lines)
