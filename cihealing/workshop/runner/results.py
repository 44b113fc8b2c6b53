"""Per-test results as values, and JUnit files read as what they are: written by code that may be
hostile.

A file is bounded and holds no DOCTYPE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from cihealing.tree import MAX_READ, Tree
from cihealing.workshop.process import check_cancelled

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_FILES = 2000
MAX_TESTS = 50_000
MAX_ID = 500


@dataclass(frozen=True, kw_only=True)
class Tests:
    """What became of each test, by the runner's own ids; a test is in exactly one of the three."""

    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def collected(self) -> int:
        return len(self.passed) + len(self.failed) + len(self.skipped)

    def renamed(self, to: Callable[[Sequence[str]], Sequence[str]]) -> Tests:
        return Tests(
            passed=tuple(to(self.passed)),
            failed=tuple(to(self.failed)),
            skipped=tuple(to(self.skipped)),
        )


def worst_outcomes(outcomes: Iterable[tuple[str, str]]) -> Tests:
    """From (id, `passed` | `failed` | `skipped`). One failure of a test outweighs whatever else was
    said about it.
    """
    weight = {"passed": 0, "skipped": 1, "failed": 2}
    worst: dict[str, str] = {}
    for full, outcome in outcomes:
        name = full[:MAX_ID]
        if len(worst) < MAX_TESTS or name in worst:
            worst[name] = max(worst.get(name, outcome), outcome, key=weight.__getitem__)
    by = {o: tuple(n for n, said in worst.items() if said == o) for o in weight}
    return Tests(passed=by["passed"], failed=by["failed"], skipped=by["skipped"])


def junit_files(tree: Tree, pattern: str, *, place: str = ".") -> list[str]:
    """Files below `place` that a glob names; an absolute or climbing one names none."""
    return sorted(
        path for _, path in zip(range(MAX_FILES), tree.glob(pattern, place=place), strict=False)
    )


def remove_stale(tree: Tree, pattern: str, *, place: str) -> None:
    """A result file that was committed must not speak for this run."""
    for path in junit_files(tree, pattern, place=place):
        tree.remove(path)


def read_junit(files: Iterable[str], *, tree: Tree, name: Callable[[Element], str]) -> Tests | None:
    """The tests of all `files` of the tree; None where there is no file, or one of them is not to
    be trusted, or all are too large.
    """
    outcomes: list[tuple[str, str]] = []
    read, left = 0, MAX_READ
    for path in files:
        check_cancelled()
        content = tree.read(path, limit=left)
        case = cases(content)
        if content is None or case is None:
            return None
        read, left = read + 1, left - len(content)
        outcomes += (
            (name(element), outcome(element)) for element in islice(case, MAX_TESTS - len(outcomes))
        )
    return worst_outcomes(outcomes) if read else None


def cases(content: bytes | None) -> Iterator[Element] | None:
    if content is None:
        return None
    try:
        document: Element = fromstring(content, forbid_dtd=True)
    except (DefusedXmlException, SyntaxError, ValueError, LookupError):
        return None
    return document.iter("testcase")


def outcome(case: Element) -> str:
    said = {child.tag for child in case}
    if said & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in said else "passed"


def plain_name(case: Element) -> str:
    """`package.Class.method`, as Maven and Gradle print it."""
    return ".".join(filter(None, (case.get("classname"), case.get("name"))))


def pytest_name(case: Element, *, exists: Callable[[str], bool]) -> str:
    """The node id. JUnit's class name has dots for slashes: the file is the longest front of it
    that exists.
    """
    file, classname, name = (
        case.get("file") or "",
        case.get("classname") or "",
        case.get("name") or "",
    )
    module = file.removesuffix(".py").replace("/", ".")
    if not classname:
        return file if name in (module, "") else "::".join(filter(None, (file, name)))
    if classname == module or classname.startswith(f"{module}."):
        return node_id(file, classname[len(module) :].strip("."), name)
    return _by_existence(classname, name, exists=exists)


def _by_existence(classname: str, name: str, *, exists: Callable[[str], bool]) -> str:
    parts = classname.split(".")[:40]
    for i in range(len(parts), 0, -1):
        path = "/".join(parts[:i]) + ".py"
        if exists(path):
            return node_id(path, ".".join(parts[i:]), name)
    return f"{classname}::{name}"


def node_id(file: str, classes: str, name: str) -> str:
    return "::".join([file, *filter(None, classes.split(".")), name])
