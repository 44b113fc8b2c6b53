"""Whether a change of a file is one of layout alone."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from itertools import groupby

PYTHON = (".py", ".pyi")
MAX_CHARACTERS = 500_000
Import = ast.Import | ast.ImportFrom
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def same_program(path: str, before: str, after: str) -> bool:
    """The same syntax tree, whatever the lines: but for the order of imports that stand together,
    and the indentation of docstrings. False where it cannot be told.
    """
    if not path.endswith(PYTHON) or max(len(before), len(after)) > MAX_CHARACTERS:
        return False
    try:
        return _dumped(before) == _dumped(after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _dumped(text: str) -> str:
    module = ast.parse(text)
    for node in ast.walk(module):
        if isinstance(node, ast.Constant):
            node.kind = None
        if isinstance(node, Documented):
            _align_docstring(node)
        for block in ("body", "orelse", "finalbody"):
            if isinstance(found := getattr(node, block, None), list):
                setattr(node, block, list(_sorted_imports(found)))
    return ast.dump(module)


def _align_docstring(node: Documented) -> None:
    first = node.body[0] if node.body else None
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(text := first.value.value, str)
    ):
        lines = inspect.cleandoc(text).splitlines()
        first.value.value = "\n".join(line.rstrip() for line in lines)


def _sorted_imports(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Each name imported by a statement of its own, in one order."""
    for together, statements in groupby(body, key=lambda s: isinstance(s, Import)):
        found = list(statements)
        yield from sorted(_single_imports(found), key=ast.dump) if together else found


def _single_imports(found: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for node in found:
        if isinstance(node, ast.Import):
            yield from (ast.Import(names=[name]) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                ast.ImportFrom(module=node.module, names=[name], level=node.level)
                for name in node.names
            )
