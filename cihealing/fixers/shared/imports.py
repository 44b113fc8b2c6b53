"""Writing import statements into a source text: where a person (and isort) would put them, nothing
else touched.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from cihealing.fixers.shared.names import MODULES


@dataclass(frozen=True, kw_only=True)
class Import:
    """`import module`, `import module as alias`, `from module import name` or with `level` dots
    before.
    """

    module: str
    name: str = ""
    alias: str = ""
    level: int = 0

    def __str__(self) -> str:
        source, alias = "." * self.level + self.module, f" as {self.alias}" if self.alias else ""
        return (
            f"from {source} import {self.name}{alias}" if self.name else f"import {source}{alias}"
        )


@dataclass(frozen=True, kw_only=True)
class ImportPlace:
    """Insert before line `line` (from 1), with a blank line above or below where a new group
    begins.
    """

    line: int
    above: bool = False
    below: bool = False


def add(
    text: str, module: ast.Module, wanted: Import, *, first_party: frozenset[str] = frozenset()
) -> str | None:
    """The text with the import; None where its lines cannot be counted the way Python counts
    them.
    """
    newline = newline_of(text)
    if newline is None:
        return None
    lines = text.split("\n")
    if (merged := merge(lines, module, wanted)) is not None:
        return "\n".join(merged)
    place = place_of(lines, module, wanted, first_party=first_party)
    end = newline.removesuffix("\n")
    new = [*([end] if place.above else []), f"{wanted}{end}", *([end] if place.below else [])]
    return "\n".join([*lines[: place.line - 1], *new, *lines[place.line - 1 :]])


def newline_of(text: str) -> str | None:
    r"""`\n` or `\r\n`, as the file has it throughout; None for a mixture, a lone `\r` or a BOM."""
    crlf, lone = text.count("\r\n"), text.count("\r")
    if text.startswith("\ufeff") or lone != crlf or (crlf and crlf != text.count("\n")):
        return None
    return "\r\n" if crlf else "\n"


def merge(lines: list[str], module: ast.Module, wanted: Import) -> list[str] | None:
    """`from a import c` becomes `from a import b, c`, where it stands on one line of its own and
    without a remark.
    """
    for node in module.body:
        if not isinstance(node, ast.ImportFrom) or wanted.alias or not wanted.name:
            continue
        if (node.module or "", node.level) == (
            wanted.module,
            wanted.level,
        ) and node.lineno == node.end_lineno:
            line = lines[node.lineno - 1]
            match = re.fullmatch(r"(from [\w.]+ import )([\w, ]+?)(\s*)", line)
            if match and len(line) + len(wanted.name) < 87 and " as " not in match[2]:
                names = sorted({*re.split(r"\s*,\s*", match[2]), wanted.name}, key=member_key)
                return [
                    *lines[: node.lineno - 1],
                    f"{match[1]}{', '.join(names)}{match[3]}",
                    *lines[node.lineno :],
                ]
    return None


def member_key(name: str) -> tuple[int, str]:
    """isort's order: CONSTANTS, Classes, the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name)


def place_of(
    lines: list[str], module: ast.Module, wanted: Import, *, first_party: frozenset[str]
) -> ImportPlace:
    block = import_block(module)
    if not block:
        return place_without_imports(lines, module)
    key = sort_key(
        wanted.module, level=wanted.level, is_from=bool(wanted.name), first_party=first_party
    )
    keys = [node_key(n, first_party) for n in block]
    before = max((n for n, k in enumerate(keys) if k <= key), default=None)
    if before is not None and keys[before][0] == key[0]:
        return ImportPlace(line=end_of(block[before]) + 1)
    after = next((n for n, k in enumerate(keys) if k[0] == key[0] and k > key), None)
    if after is not None:
        return ImportPlace(line=block[after].lineno)
    if before is not None:
        return ImportPlace(line=end_of(block[before]) + 1, above=True)
    return ImportPlace(line=block[0].lineno, below=True)


def import_block(module: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    """The imports at the top, up to the first statement that is none."""
    block: list[ast.Import | ast.ImportFrom] = []
    for node in module.body[1 if ast.get_docstring(module, clean=False) is not None else 0 :]:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            break
        block.append(node)
    return block


Key = tuple[int, bool, str]


def node_key(node: ast.Import | ast.ImportFrom, first_party: frozenset[str]) -> Key:
    if isinstance(node, ast.ImportFrom):
        return sort_key(node.module or "", level=node.level, is_from=True, first_party=first_party)
    return sort_key(node.names[0].name, level=0, is_from=False, first_party=first_party)


def sort_key(module: str, *, level: int, is_from: bool, first_party: frozenset[str]) -> Key:
    top = module.partition(".")[0]
    if level:
        group = 4
    elif module == "__future__":
        group = 0
    elif top in first_party:
        group = 3
    else:
        group = 1 if top in MODULES else 2
    return group, is_from, module.casefold()


def end_of(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def place_without_imports(lines: list[str], module: ast.Module) -> ImportPlace:
    if ast.get_docstring(module, clean=False) is not None:
        following = end_of(module.body[0]) + 1
        return ImportPlace(line=following, above=True, below=not is_blank(lines, following))
    head = 1
    while head <= len(lines) and lines[head - 1].startswith("#"):
        head += 1
    return ImportPlace(line=head, above=head > 1, below=not is_blank(lines, head))


def is_blank(lines: list[str], number: int) -> bool:
    return number > len(lines) or not lines[number - 1].strip()
