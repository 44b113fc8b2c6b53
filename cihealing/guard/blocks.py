"""Checks that need more than one line: handlers that do nothing, manifests whose scripts change, modules that hide others."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import PurePosixPath

from cihealing.domain.values import Objection
from cihealing.guard.change import Edit, FileChange, Hunk
from cihealing.guard.objections import hard

HANDLER = re.compile(r"^\s*(?:except\b[^#\n]{0,300}:|\}?\s*catch\b[^{\n]{0,200}\{|rescue\b[^#\n]{0,200})\s*(?:#.*|//.*)?$")
NOTHING = re.compile(r"^\s*(?:pass|\.\.\.|continue|\}|\};|end)\s*(?:#.*|//.*)?$")
COMPARISON = re.compile(r"\bdef\s+__(?:eq|ne|bool|contains|lt|gt|le|ge|instancecheck|subclasscheck)__\b")
ALWAYS = re.compile(r"^\s*return\s+(?:True|1)\s*(?:#.*)?$")
REMARK = re.compile(r"^\s*(?:#.*|//.*)?$")


def check(files: Iterable[FileChange]) -> list[Objection]:
    return [o for f in files for o in (*pair_objections(f), *manifest_objections(f), *shadow_objections(f))]


def pair_objections(file: FileChange) -> Iterator[Objection]:
    for hunk in file.hunks:
        for first, second in pairwise(telling(hunk)):
            above, below = hunk.edits[first], hunk.edits[second]
            if all(e.kind == " " for e in hunk.edits[first : second + 1]):
                continue
            if HANDLER.match(above.plain) and NOTHING.match(below.plain):
                yield hard("swallows-failure", f"{file.path}:{above.line} swallows a failure")
            elif COMPARISON.search(above.plain) and ALWAYS.match(below.plain):
                yield hard("always-equal", f"{file.path}:{above.line} makes a comparison always true")


def telling(hunk: Hunk) -> Iterator[int]:
    """Where the lines of the new file stand in the hunk, without blanks and remarks."""
    return (n for n, e in enumerate(hunk.edits) if e.kind != "-" and not REMARK.match(e.plain))


# ---------------------------------------------------------------- manifests

NPM_VERSION = re.compile(r"""^\s*"(?P<key>[@\w./-]{1,200})"\s*:\s*"(?:workspace:)?[\^~<>=v ]{0,4}[0-9][\w.+\- <>=^~*]{0,60}",?\s*$""")
NPM_SCRIPT = re.compile(
    r"(?:pre|post)?(?:test|lint|build|start|check|format|typecheck|ci|prepare|install|publish|version|coverage|e2e|unit|type)\b.*|.*:.*"
)
BRACKETS = re.compile(r"^\s*[\[\]{},]*\s*$")
TABLE = re.compile(r"^\s*\[\[?\s*(?P<name>[^\[\]]{1,200})\s*\]\]?\s*(?:#.*)?$")
OPEN_TABLES = re.compile(
    r"project(?:\.optional-dependencies)?|dependency-groups|tool\.poetry(?:\.group\.[\w-]{1,60})?\.(?:dev-)?dependencies|(?:dev-|build-)?dependencies(?:\.[\w-]{1,60})?"
)
REQUIREMENT = re.compile(
    r"""^\s*["'][A-Za-z0-9][\w.\-\[\], ]{0,100}(?:[<>=!~]{1,3}[\w.*+,<>=!~ ]{1,80})?(?:;[^"']{0,100})?["'],?\s*(?:#.*)?$"""
)


def manifest_objections(file: FileChange) -> Iterator[Objection]:
    """A patch shows no more than a few lines of a manifest: what is not plainly a dependency counts as configuration."""
    name = PurePosixPath(file.path).name.casefold()
    allowed = {"package.json": npm_allowed, "pyproject.toml": toml_allowed, "cargo.toml": toml_allowed}.get(name)
    if allowed is None:
        return
    for hunk in file.hunks:
        if (edit := next((e for e in hunk.edits if e.kind != " " and not allowed(e, hunk)), None)) is not None:
            yield hard("runner-config", f"{file.path}:{edit.line} may configure how tests and checks are run")
            return


def npm_allowed(edit: Edit, hunk: Hunk) -> bool:
    found = NPM_VERSION.match(edit.plain)
    return BRACKETS.match(edit.plain) is not None or (found is not None and not NPM_SCRIPT.fullmatch(found["key"]))


def toml_allowed(edit: Edit, hunk: Hunk) -> bool:
    if not edit.text.strip():
        return True
    if TABLE.match(edit.plain) or "entry-points" in edit.text or "scripts" in edit.text:
        return False
    table = table_of(edit, hunk)
    if table is not None:
        return OPEN_TABLES.fullmatch(table) is not None
    return REQUIREMENT.match(edit.plain) is not None or BRACKETS.match(edit.plain) is not None


def table_of(edit: Edit, hunk: Hunk) -> str | None:
    """The TOML table a line stands in, as far as the hunk shows it."""
    above = hunk.edits[: hunk.edits.index(edit)]
    headers = [m for e in above if (m := TABLE.match(e.plain))]
    return headers[-1]["name"].strip() if headers else None


# ---------------------------------------------------------------- modules that hide others

RUNNERS = frozenset({"pytest", "_pytest", "pluggy", "unittest", "nose", "coverage", "xdist", "hypothesis", "mock", "tox", "nox"})


def shadow_objections(file: FileChange) -> Iterator[Objection]:
    """A new module beside the tests that has the name of the runner, or of what the runner imports, is imported in its place."""
    if file.old is not None or file.new is None or not file.new.endswith((".py", ".pyi", ".so", ".pyd")):
        return
    parts = [p.partition(".")[0].casefold() for p in file.new.split("/")]
    if parts[0] == "src" and len(parts) > 1:
        parts = parts[1:]
    if RUNNERS & set(parts) or parts[0] in sys.stdlib_module_names - {"test"}:
        yield hard("shadows-module", f"{file.path} would hide a module the test runner needs")
