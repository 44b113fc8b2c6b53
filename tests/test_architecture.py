"""docs/ARCHITECTURE.md describes the house as it is built, and the house keeps its measures."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
PRODUCT = ("cihealing", "dashboard", "config")
APART = {
    "browser": "the pages in headless Chromium",
    "corpora": "what the rules of several rooms have to meet, as data",
    "escape": "attempts to leave the sandbox",
    "fakes": "ports and providers from memory",
    "faults": "kills, outages and full disks",
    "forges": "forges and chats that answer as the real ones do",
    "golden": "a database of an earlier version",
    "integration": "the service as it is started, and what holds over all rooms",
}
"""Directories of tests that stand for no room, and why they are there."""
OF_ALL = {
    "architecture",
    "contracts",
    "dependencies",
    "hands_off",
    "provider_names",
    "setup",
    "tables",
}
"""Test modules beside them that stand for no module of the product's root."""
LONGEST_MODULE, LONGEST_FUNCTION, COLUMNS, TEMPLATE_COLUMNS = 400, 40, 100, 120


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rooms", ROOT / "scripts" / "rooms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def modules() -> tuple[Path, ...]:
    found = (path for name in PRODUCT for path in sorted((ROOT / name).rglob("*.py")))
    left_out = ("demo/templates", "migrations")
    return tuple(path for path in found if not any(part in str(path) for part in left_out))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1  # type: ignore[operator]


def unnamed(document: str) -> set[str]:
    """Packages and modules of the product's root that the document does not name."""
    there = {
        path.stem if path.suffix == ".py" else path.name
        for path in (ROOT / "cihealing").iterdir()
        if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.*")))
    } - {"__init__", "__main__", "__pycache__", "apps"}
    return {name for name in there if not re.search(rf"`{name}(?:/|\.py)", document)}


def test_every_room_is_in_the_document() -> None:
    assert unnamed(DOCUMENT) == set()
    assert unnamed(DOCUMENT.replace("`guard/`", "")) == {"guard"}


def test_every_file_that_is_named_is_there() -> None:
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", DOCUMENT)
    assert len(named) > 15
    there = [ROOT, ROOT / "cihealing"]
    assert [n for n in named if not any((place / n).exists() for place in there)] == []


def test_the_rooms_are_drawn_as_the_import_contract_has_them() -> None:
    assert script().written(DOCUMENT) == DOCUMENT


def test_no_module_is_too_long() -> None:
    lengths = {str(path): len(path.read_text().splitlines()) for path in modules()}
    assert {path: n for path, n in lengths.items() if n > LONGEST_MODULE} == {}


def test_no_function_is_too_long() -> None:
    long = [(path, f) for path in modules() for f in functions(path) if f[1] > LONGEST_FUNCTION]
    assert long == []


def classes() -> Iterator[tuple[str, str]]:
    """(name, module) of every class that others can import."""
    for path in modules():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                yield node.name, str(path.relative_to(ROOT))


FOUND_BY_NAME = ("Command", "DatabaseWrapper")


def test_one_name_is_one_class() -> None:
    """Django finds a command and a database backend by what its class is called."""
    names = defaultdict(list)
    for name, module in classes():
        names[name].append(module)
    assert {
        n: found for n, found in names.items() if len(found) > 1 and n not in FOUND_BY_NAME
    } == {}


def test_functions_are_named_after_what_they_give() -> None:
    """`told` and `said` are what they all do: `render_`, `find_`, `error_from_` say which."""
    vague = {"told", "_told", "said", "_said"}
    found = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in modules()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name in vague
    ]
    assert found == []


def test_no_template_has_a_line_that_nobody_reads() -> None:
    places = [ROOT / "templates", ROOT / "cihealing" / "templates"]
    lines = [
        (path.name, number)
        for place in places
        for path in place.rglob("*.html")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > TEMPLATE_COLUMNS
    ]
    assert lines == []


def test_nothing_is_kept_from_the_formatter() -> None:
    mark = "fmt: " + "skip"
    skipped = [path for path in modules() if mark in path.read_text()]
    assert len(skipped) <= 20


def rooms() -> set[str]:
    """Packages of the product with a room of their own, and its root modules."""
    own = {path.stem for path in (ROOT / "cihealing").glob("*.py")}
    return {path.parent.name for path in (ROOT / "cihealing").glob("*/__init__.py")} | {
        *PRODUCT[1:],
        *own,
    }


def homeless(tests: Path) -> set[str]:
    """Directories and modules of tests that stand neither for a room nor on a list."""
    directories = {path.parent.name for path in tests.glob("*/*.py")} - set(APART)
    modules = {path.stem.removeprefix("test_") for path in tests.glob("test_*.py")} - OF_ALL
    return (directories | modules) - rooms()


def test_tests_mirror_the_rooms(tmp_path: Path) -> None:
    assert homeless(ROOT / "tests") == set()
    assert {name for name in APART if not (ROOT / "tests" / name).is_dir()} == set()
    (tmp_path / "shell").mkdir()
    for name in ("shell/test_a.py", "test_elsewhere.py", "test_tree.py"):
        (tmp_path / name).touch()
    assert homeless(tmp_path) == {"shell", "elsewhere"}
