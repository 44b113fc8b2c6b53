"""Adds the one import that is missing, or follows a module or name that moved within the
repository.

Only where there is exactly one answer: a module of the standard library, a name everybody knows
from there, what the rest of the repository already imports under this name, or its one definition
in the repository. It reads with `ast` and runs nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cihealing.domain.values import Failure
from cihealing.fixers.shared import files, imports, modules
from cihealing.fixers.shared.imports import Import
from cihealing.fixers.shared.modules import Index
from cihealing.fixers.shared.moved import Moved, follow
from cihealing.fixers.shared.names import MODULE_ONLY, MODULES, SAME_NAMED, WELL_KNOWN
from cihealing.ports import FixContext, Fixer

MAX_NEEDS = 8
MAX_TEXT = 2_000
IDENTIFIER = r"[A-Za-z_]\w{0,100}"
NAME_ERROR = re.compile(rf"\bNameError: (?:global )?name '(?P<name>{IDENTIFIER})' is not defined")
LINTED = re.compile(
    r"(?<![^\s:'\"()])(?P<file>[^\s:'\"()]{1,300}\.pyi?):(?P<line>\d{1,7})(?::\d{1,5})?:?"
    r" .{0,40}?\b(?:[Uu]ndefined name|Name) "
    rf"[`'\"](?P<name>{IDENTIFIER})[`'\"]"
)
LINTED_ALONE = re.compile(
    rf"\bF821 (?:\[\*\] )?[Uu]ndefined name [`'\"](?P<name>{IDENTIFIER})[`'\"]"
)
ARROW = re.compile(r"-->\s{1,5}(?P<file>[^\s:]{1,300}\.pyi?):(?P<line>\d{1,7})")
TRACE = re.compile(
    r"(?:File \"(?P<file>[^\"\n]{1,300}\.py)\", line (?P<line>\d{1,7}))"
    r"|(?:(?<![^\s:'\"()])(?P<file2>[^\s:'\"()]{1,300}\.py):(?P<line2>\d{1,7}): )"
)
NO_MODULE = re.compile(
    r"\bModuleNotFoundError: No module named '(?P<module>[A-Za-z_][\w.]{0,200})'"
)
NO_NAME = re.compile(
    rf"\bImportError: cannot import name '(?P<name>{IDENTIFIER})' from"
    r" '(?P<module>[A-Za-z_][\w.]{0,200})'"
)


@dataclass(frozen=True, kw_only=True)
class Need:
    """A name that is used and bound nowhere in a file."""

    file: str
    name: str


def fits(failure: Failure) -> bool:
    return any(
        p.search(text)
        for text in texts_of(failure)
        for p in (NAME_ERROR, LINTED, LINTED_ALONE, NO_MODULE, NO_NAME)
    )


def fix(context: FixContext) -> str | None:
    index = Index(tree=context.tree, workdir=context.project.path)
    needs = list(dict.fromkeys(find_needs(context, index)))[:MAX_NEEDS]
    if needs:
        return add_imports(index, needs)
    return follow(index, find_moved(context.failure))


def texts_of(failure: Failure) -> Iterator[str]:
    yield failure.summary[:MAX_TEXT]
    yield from (line.text[:MAX_TEXT] for line in failure.excerpt)


def find_needs(context: FixContext, index: Index) -> Iterator[Need]:
    yield from linted_needs(context)
    names = dict.fromkeys(
        m["name"] for text in texts_of(context.failure) for m in NAME_ERROR.finditer(text)
    )
    for missing in names:
        if (file := file_using(missing, index, places(context))) is not None:
            yield Need(file=file, name=missing)


def linted_needs(context: FixContext) -> Iterator[Need]:
    """`file:line: Undefined name` on one line, or ruff's full form with the place on the next."""
    pending = ""
    for text in texts_of(context.failure):
        if match := LINTED.search(text):
            yield from need_in(context, match["file"], match["name"])
        elif match := LINTED_ALONE.search(text):
            pending = match["name"]
        elif pending and (match := ARROW.search(text)):
            yield from need_in(context, match["file"], pending)
            pending = ""


def need_in(context: FixContext, file: str, missing: str) -> Iterator[Need]:
    if (path := files.named_in_tree(context.tree, file, workdir=context.project.path)) is not None:
        yield Need(file=path, name=missing)


def places(context: FixContext) -> list[tuple[str, int]]:
    """Files and lines of the tree the failure went through, as its frames and its log lines say."""
    named = [(f.file, f.line) for f in context.failure.frames]
    named += [
        (m["file"] or m["file2"], int(m["line"] or m["line2"]))
        for t in texts_of(context.failure)
        for m in TRACE.finditer(t)
    ]
    found = (
        (files.named_in_tree(context.tree, file, workdir=context.project.path), line)
        for file, line in named
    )
    return list(dict.fromkeys((file, line) for file, line in found if file is not None))


def file_using(missing: str, index: Index, where: Iterable[tuple[str, int]]) -> str | None:
    """The file whose named line uses the unbound name; else the one named file that uses it at
    all.
    """
    lines = {file: index.module(file) for file, _ in where}
    open_uses = {
        f: modules.uses(m, missing)
        for f, m in lines.items()
        if m is not None and missing not in modules.bound(m)
    }
    exact = {
        f
        for f, line in where
        for use in open_uses.get(f, ())
        if use.lineno <= line <= (use.end_lineno or use.lineno)
    }
    anywhere = exact or {f for f, found in open_uses.items() if found}
    return anywhere.pop() if len(anywhere) == 1 else None


def find_moved(failure: Failure) -> list[Moved]:
    found: list[Moved] = []
    for text in texts_of(failure):
        found += [Moved(module=m["module"], name="") for m in NO_MODULE.finditer(text)]
        if "partially initialized module" not in text:
            found += [Moved(module=m["module"], name=m["name"]) for m in NO_NAME.finditer(text)]
    return list(dict.fromkeys(found))[:MAX_NEEDS]


def add_imports(index: Index, needs: list[Need]) -> str | None:
    """All or nothing: with one name still missing the build stays red."""
    texts: dict[str, str] = {}
    told: list[str] = []
    for need in needs:
        wanted = import_for(need, index)
        text = texts.get(need.file, index.texts.get(need.file, ""))
        module = modules.parse(text)
        new = (
            imports.add(text, module, wanted, first_party=first_party(index))
            if wanted and module
            else None
        )
        if wanted is None or new is None:
            return None
        texts[need.file] = new
        told.append(f"`{wanted}` to {need.file}")
    for path, text in texts.items():
        files.write(index.tree, path, text)
    return f"Added {', '.join(told)}"


def first_party(index: Index) -> frozenset[str]:
    return frozenset(
        index.plain_parts(path, seen_from="")[0]
        for path in index.texts
        if index.plain_parts(path, seen_from="")
    )


def import_for(need: Need, index: Index) -> Import | None:
    """The one import that answers the need; None where there is none or more than one."""
    module = index.module(need.file)
    if module is None or need.name in modules.bound(module) or not modules.uses(module, need.name):
        return None
    if (standard := standard_module(need.name, module)) is not None:
        return standard
    for candidates in (
        used_elsewhere(need, index),
        well_known(need.name),
        defined_in_repository(need, index),
    ):
        found = set(candidates)
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def standard_module(missing: str, module: ast.Module) -> Import | None:
    """`json.dumps(…)` asks for the module; a name that is also called or passed on does not."""
    asked = modules.attributes(module, missing)
    if (
        missing not in MODULES
        or not asked
        or len(modules.uses(module, missing)) != attribute_uses(module, missing)
    ):
        return None
    own = SAME_NAMED.get(missing, frozenset())
    if not asked & own:
        return Import(module=missing)
    return Import(module=missing, name=missing) if not asked & MODULE_ONLY[missing] else None


def attribute_uses(module: ast.Module, missing: str) -> int:
    return sum(
        isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == missing
        for n in ast.walk(module)
    )


def well_known(missing: str) -> Iterator[Import]:
    if (source := WELL_KNOWN.get(missing)) is not None:
        yield Import(module=source, name=missing)


def used_elsewhere(need: Need, index: Index) -> Iterator[Import]:
    """How other files of the repository import this very name, absolutely."""
    for path, node in index.importing(need.name):
        if path == need.file:
            continue
        for alias in node.names:
            if (alias.asname or alias.name) != need.name:
                continue
            if isinstance(node, ast.Import):
                yield Import(module=alias.name, alias=alias.asname or "")
            elif node.level == 0 and node.module and alias.asname is None:
                yield Import(module=node.module, name=alias.name)


def defined_in_repository(need: Need, index: Index) -> Iterator[Import]:
    for path in index.defining(need.name):
        if path != need.file and (dotted := index.dotted(path, seen_from=need.file)) is not None:
            yield Import(module=dotted, name=need.name)
    for path in index.named(need.name):
        dotted = index.dotted(path, seen_from=need.file) if path != need.file else None
        if dotted is not None:
            parent, _, leaf = dotted.rpartition(".")
            yield Import(module=parent, name=leaf) if parent else Import(module=leaf)


FIXER = Fixer(name="missing_import", title="Add the missing import", order=30, fits=fits, fix=fix)
