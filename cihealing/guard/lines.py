"""The engine of checks that read single changed lines; the tables are in `cheats` and `dangers`.

Patterns read `Edit.plain` (short, runs of blanks made one), so that none of them can be made slow.
What is only moved or indented anew is excused where a rule says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cihealing.domain.values import Objection
from cihealing.guard.change import MAX_LINE, DiffLine, FileChange
from cihealing.guard.kinds import is_prose, is_test
from cihealing.guard.objections import hard, soft

Where = Literal["anywhere", "code", "product", "tests"]
Excuse = Literal["nothing", "moved line", "same match"]


@dataclass(frozen=True, kw_only=True)
class LineRule:
    """An added line that matches is objected to, unless `excuse` says that the patch took the same
    away elsewhere in the file.
    """

    name: str
    says: str
    pattern: re.Pattern[str]
    where: Where = "code"
    suffixes: tuple[str, ...] = ()
    """File endings it speaks for; empty: all."""
    excuse: Excuse = "moved line"
    is_hard: bool = True
    raw: bool = False
    """The pattern reads the line as it is, with all its blanks."""


def rule(name: str, says: str, *patterns: str, **options: object) -> LineRule:
    pattern = re.compile("|".join(f"(?:{p})" for p in patterns))
    return LineRule(name=name, says=says, pattern=pattern, **options)  # type: ignore[arg-type]


PYTHON = (".py", ".pyi", ".pyx", ".ipynb")
SCRIPT = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts", ".vue", ".svelte")
JVM = (".java", ".kt", ".kts", ".scala", ".groovy")
RUBY = (".rb", ".rake")
OTHERS = (
    ".php",
    ".cs",
    ".fs",
    ".vb",
    ".cc",
    ".cpp",
    ".cxx",
    ".c",
    ".h",
    ".swift",
    ".m",
    ".exs",
    ".ex",
    ".dart",
)


def check(files: Iterable[FileChange], rules: Sequence[LineRule]) -> list[Objection]:
    return [
        o
        for f in files
        for o in (
            *length_objections(f),
            *(o for r in rules if applies(r, f.path) for o in rule_objections(r, f)),
        )
    ]


def applies(rule: LineRule, path: str) -> bool:
    if rule.suffixes and not path.casefold().endswith(rule.suffixes):
        return False
    match rule.where:
        case "anywhere":
            return True
        case "code":
            return bool(rule.suffixes) or not is_prose(path)
        case "product":
            return not is_prose(path) and not is_test(path)
        case "tests":
            return is_test(path)


def rule_objections(rule: LineRule, file: FileChange) -> Iterator[Objection]:
    """At most one objection a file: it cites the first line nothing excuses."""
    excused = Counter(filter(None, (key(rule, e) for e in file.removed)))
    for edit in file.added:
        found = key(rule, edit)
        if found is None:
            continue
        if rule.excuse != "nothing" and excused[found] > 0:
            excused[found] -= 1
            continue
        say = hard if rule.is_hard else soft
        yield say(rule.name, f"{file.path}:{edit.line} {rule.says}")
        return


def key(rule: LineRule, edit: DiffLine) -> str | None:
    """What two lines must share to count as the same; None where the rule does not match."""
    matched = rule.pattern.search(edit.text[:MAX_LINE] if rule.raw else edit.plain)
    if matched is None:
        return None
    return matched[0] if rule.excuse == "same match" else edit.text.strip()


def length_objections(file: FileChange) -> Iterator[Objection]:
    for edit in file.added:
        if len(edit.text) > MAX_LINE:
            yield hard(
                "long-line",
                f"{file.path}:{edit.line} is longer than {MAX_LINE} characters: nobody can"
                " review it",
            )
            return
