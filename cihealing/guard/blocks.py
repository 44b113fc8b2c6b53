"""Checks that need more than one line: handlers that do nothing, manifests whose scripts change,
modules that hide others.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import PurePosixPath

from cihealing.domain.values import Objection
from cihealing.guard.change import DiffLine, FileChange, Hunk
from cihealing.guard.kinds import is_prose, is_test
from cihealing.guard.objections import hard, soft

HANDLER = re.compile(
    r"^\s*(?:except\b[^#\n]{0,300}:|\}?\s*catch\b[^{\n]{0,200}\{|rescue\b[^#\n]{0,200})\s*(?:#.*|//.*)?$"
)
NOTHING = re.compile(r"^\s*(?:pass|\.\.\.|continue|\}|\};|end)\s*(?:#.*|//.*)?$")
COMPARISON = re.compile(
    r"\bdef\s+__(?:eq|ne|bool|contains|lt|gt|le|ge|instancecheck|subclasscheck)__\b"
)
ALWAYS = re.compile(r"^\s*return\s+(?!.*\bself\b)(?!False\b|NotImplemented\b|super\b)")
REMARK = re.compile(r"^\s*(?:#.*|//.*)?$")


def check(files: Iterable[FileChange]) -> list[Objection]:
    return [
        o
        for f in files
        for o in (
            *pair_objections(f),
            *answer_objections(f),
            *shell_objections(f),
            *manifest_objections(f),
            *shadow_objections(f),
        )
    ]


def pair_objections(file: FileChange) -> Iterator[Objection]:
    for hunk in file.hunks:
        for first, second in pairwise(telling(hunk)):
            above, below = hunk.edits[first], hunk.edits[second]
            if all(e.kind == " " for e in hunk.edits[first : second + 1]):
                continue
            if HANDLER.match(above.plain) and NOTHING.match(below.plain):
                yield hard("swallows-failure", f"{file.path}:{above.line} swallows a failure")
            elif COMPARISON.search(above.plain) and ALWAYS.match(below.plain):
                yield hard(
                    "always-equal", f"{file.path}:{above.line} makes a comparison always true"
                )


def telling(hunk: Hunk) -> Iterator[int]:
    """Where the lines of the new file stand in the hunk, without blanks and remarks."""
    return (n for n, e in enumerate(hunk.edits) if e.kind != "-" and not REMARK.match(e.plain))


LITERAL = (
    r"(?:-?\d[\w.]*|[\"'`][^\"'`]{0,80}[\"'`]|\[[^\]]{0,80}\]|True|False|true|false|None|null|nil)"
)
EQUALS = re.compile(rf"(?:===?|\.equals\(|\beq\b|\bis\b)\s*{LITERAL}")
ANSWER = re.compile(
    rf"\breturn\s+(?:\w+\(\s*)?(?:{LITERAL}|\{{[^}}]{{0,200}}\}})\s*\)?\s*(?:,\s*(?:nil|None|null))?\s*;?\s*$"
)
CONDITION = re.compile(r"^\s*(?:\}?\s*(?:el(?:se )?)?if|elif|elsif|when|case)\b")
TABLE_OF_ANSWERS = re.compile(r"\breturn\s+\{[^}]{3,300}\}\s*(?:\.get\(|\[)")
NOTHING_DONE = re.compile(
    r"^\s*(?:return\s*(?:\[\]|\{\}|\(\)|None|null|nil|0|\"\"|''|false|False|true|True)?\s*;?|pass|\.\.\.)\s*$"
)


def answer_objections(file: FileChange) -> Iterator[Objection]:
    """An answer that is written down where it should be worked out. A special case can be right, so
    a person looks.
    """
    if is_test(file.path) or is_prose(file.path):
        return
    edit = next((e for h in file.hunks for e in written_answers(h)), None)
    if edit is not None:
        yield soft(
            "hardcodes-answer",
            f"{file.path}:{edit.line} writes an answer down instead of working it out",
        )
    taken = next((h for h in file.hunks if takes_out(h)), None)
    if taken is not None:
        yield soft("takes-out", f"{file.path} would do nothing where it did something")


def written_answers(hunk: Hunk) -> Iterator[DiffLine]:
    places = list(telling(hunk))
    for n, place in enumerate(places):
        edit = hunk.edits[place]
        if edit.kind != "+":
            continue
        if TABLE_OF_ANSWERS.search(edit.plain):
            yield edit
        elif CONDITION.match(edit.plain) and len(EQUALS.findall(edit.plain)) > 1:
            below = hunk.edits[places[n + 1]].plain if n + 1 < len(places) else ""
            if ANSWER.search(edit.plain) or ANSWER.search(below):
                yield edit


def takes_out(hunk: Hunk) -> bool:
    """Several lines go, and what comes in their place gives back nothing."""
    gone = [e for e in hunk.edits if e.kind == "-" and not REMARK.match(e.plain)]
    came = [e for e in hunk.edits if e.kind == "+" and not REMARK.match(e.plain)]
    return len(gone) > 1 and bool(came) and all(NOTHING_DONE.match(e.plain) for e in came)


ERREXIT = re.compile(r"^\s*set\s+(?:-o\s+(?:errexit|pipefail)|-\w*e\w*)|^#!.*\s-\w*e")


def shell_objections(file: FileChange) -> Iterator[Objection]:
    """`set -e` that is gone lets a script go on after a failure."""
    lost = sum(bool(ERREXIT.search(e.plain)) for e in file.removed) - sum(
        bool(ERREXIT.search(e.plain)) for e in file.added
    )
    if lost > 0 and file.new is not None:
        yield hard("exit-zero", f"{file.path} would go on after a command that failed")


NPM_VERSION = re.compile(
    r"""^\s*"(?P<key>[@\w./-]{1,200})"\s*:\s*"""
    r""""(?:workspace:)?[\^~<>=v ]{0,4}[0-9][\w.+\- <>=^~*]{0,60}",?\s*$"""
)
NPM_SCRIPT = re.compile(
    r"(?:pre|post)?(?:test|lint|build|start|check|format|typecheck|ci|prepare|install|publish|version|coverage|e2e|unit|type)\b.*|.*:.*"
)
BRACKETS = re.compile(r"^\s*[\[\]{},]*\s*$")
TABLE = re.compile(r"^\s*\[\[?\s*(?P<name>[^\[\]]{1,200})\s*\]\]?\s*(?:#.*)?$")
OPEN_TABLES = re.compile(
    r"project(?:\.optional-dependencies)?|dependency-groups|tool\.poetry(?:\.group\.[\w-]{1,60})?\.(?:dev-)?dependencies|(?:dev-|build-)?dependencies(?:\.[\w-]{1,60})?"
)
REQUIREMENT = re.compile(
    r"""^\s*["'][A-Za-z0-9][\w.\-\[\], ]{0,100}(?:[<>=!~]{1,3}[\w.*+,<>=!~ ]{1,80})?"""
    r"""(?:;[^"']{0,100})?["'],?\s*(?:#.*)?$"""
)


def manifest_objections(file: FileChange) -> Iterator[Objection]:
    """A patch shows no more than a few lines of a manifest: what is not plainly a dependency counts
    as configuration.
    """
    name = PurePosixPath(file.path).name.casefold()
    allowed = {
        "package.json": npm_allowed,
        "pyproject.toml": toml_allowed,
        "cargo.toml": toml_allowed,
    }.get(name)
    if allowed is None:
        return
    for hunk in file.hunks:
        if (
            edit := next((e for e in hunk.edits if e.kind != " " and not allowed(e, hunk)), None)
        ) is not None:
            yield hard(
                "runner-config",
                f"{file.path}:{edit.line} may configure how tests and checks are run",
            )
            return


def npm_allowed(edit: DiffLine, hunk: Hunk) -> bool:
    found = NPM_VERSION.match(edit.plain)
    return BRACKETS.match(edit.plain) is not None or (
        found is not None and not NPM_SCRIPT.fullmatch(found["key"])
    )


def toml_allowed(edit: DiffLine, hunk: Hunk) -> bool:
    if not edit.text.strip():
        return True
    if TABLE.match(edit.plain) or "entry-points" in edit.text or "scripts" in edit.text:
        return False
    table = table_of(edit, hunk)
    if table is not None:
        return OPEN_TABLES.fullmatch(table) is not None
    return REQUIREMENT.match(edit.plain) is not None or BRACKETS.match(edit.plain) is not None


def table_of(edit: DiffLine, hunk: Hunk) -> str | None:
    """The TOML table a line stands in, as far as the hunk shows it."""
    above = hunk.edits[: hunk.edits.index(edit)]
    headers = [m for e in above if (m := TABLE.match(e.plain))]
    return headers[-1]["name"].strip() if headers else None


RUNNERS = frozenset(
    {
        "pytest",
        "_pytest",
        "pluggy",
        "unittest",
        "nose",
        "coverage",
        "xdist",
        "hypothesis",
        "mock",
        "tox",
        "nox",
    }
)


def shadow_objections(file: FileChange) -> Iterator[Objection]:
    """A new module beside the tests that has the name of the runner, or of what the runner imports,
    is imported in its place.
    """
    if (
        file.old is not None
        or file.new is None
        or not file.new.endswith((".py", ".pyi", ".so", ".pyd"))
    ):
        return
    parts = [p.partition(".")[0].casefold() for p in file.new.split("/")]
    if parts[0] == "src" and len(parts) > 1:
        parts = parts[1:]
    if RUNNERS & set(parts) or parts[0] in sys.stdlib_module_names - {"test"}:
        yield hard("shadows-module", f"{file.path} would hide a module the test runner needs")
