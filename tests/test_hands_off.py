"""Which code may start programs, which may start git, and which may touch a tree by other means
than `Tree`. Read from the source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "cihealing"

STARTERS = {
    "subprocess.run",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.getoutput",
    "os.system",
    "os.popen",
    "os.posix_spawn",
    "os.posix_spawnp",
    "os.startfile",
    "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell",
    "pty.spawn",
    *(
        f"os.{kind}{how}"
        for kind in ("exec", "spawn")
        for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")
    ),
}
MAY_START = {
    "workshop/git.py": "git, with its configuration pinned",
    "workshop/process.py": "the reaper, over commands of trusted repositories",
    "workshop/reaper.py": "the command it was told",
    "workshop/sandbox/bubblewrap.py": "the launcher",
    "workshop/sandbox/launch.py": "bubblewrap",
    "providers/shared/models.py": "the model's own process",
    "providers/local/ci.py": "the demo's builds",
    "apart.py": "the process that reads a large log",
}
GIT = {"workshop/git.py"}

HANDS_OFF = (
    "workshop/runner",
    "workshop/trees.py",
    "workshop/mirrors.py",
    "workshop/worktree.py",
    "fixers",
    "effects",
    "guard",
)
"""Code that deals with trees."""
BY_PATH = {
    "open",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "glob",
    "rglob",
    "iterdir",
    "resolve",
    "is_file",
    "is_dir",
    "exists",
    "stat",
    "lstat",
    "is_symlink",
    "readlink",
    "unlink",
    "rename",
    "replace_file",
    "touch",
    "chmod",
    "symlink_to",
    "hardlink_to",
    "walk_up",
    "rmtree",
    "copyfile",
    "copytree",
    "copy2",
    "move",
    "listdir",
    "scandir",
    "mkfifo",
    "samefile",
    "realpath",
    "isfile",
    "isdir",
    "lexists",
}
ALLOWED = {
    ("workshop/mirrors.py", "_mirror"): "the mirror",
    ("workshop/mirrors.py", "__init__"): "the directory of the mirrors",
    ("workshop/trees.py", "_own_repository"): "before anything ran in the tree",
}


@cache
def parsed() -> dict[str, ast.Module]:
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for path in sorted(ROOT.rglob("*.py"))
    }


def sources(*below: str) -> Iterator[tuple[str, ast.Module]]:
    yield from (
        (name, tree) for name, tree in parsed().items() if not below or name.startswith(below)
    )


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def imported_from(tree: ast.Module) -> set[str]:
    return {
        f"{n.module}.{a.name}"
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom)
        for a in n.names
    }


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    yield from (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))  # type: ignore[misc]


def test_programs_are_started_in_few_places() -> None:
    found = {name for name, tree in sources() for _, called in calls(tree) if called in STARTERS}
    assert found == set(MAY_START)


def test_nobody_starts_programs_under_another_name() -> None:
    hidden = {
        name: names & STARTERS
        for name, tree in sources()
        if (names := imported_from(tree)) & STARTERS
    }
    assert hidden == {}


def test_git_is_started_in_one_place() -> None:
    """A list that begins with `git` is a command line wherever it stands."""
    found = {
        name
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.List)
        and node.elts
        and isinstance(node.elts[0], ast.Constant)
        and node.elts[0].value == "git"
    }
    assert found == GIT


def touching(name: str, tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    for function in functions(tree):
        for _, called in calls(function):
            last = called.rpartition(".")[2]
            if last in BY_PATH and called != "exists":  # a function that was handed in
                yield name, function.name, called


def of_tree(called: str) -> bool:
    """Its own methods."""
    return called.rpartition(".")[0].rpartition(".")[2] in ("tree", "results")


@pytest.mark.parametrize("place", HANDS_OFF)
def test_trees_are_touched_through_the_one_door(place: str) -> None:
    found = {
        (name, function, called)
        for name, tree in sources(place)
        for name, function, called in touching(name, tree)
        if not of_tree(called) and (name, function) not in ALLOWED
    }
    assert found == set()


def test_the_rule_finds_what_it_forbids() -> None:
    """A rule that finds nothing anywhere would pass as well."""
    planted = ast.parse(
        "def f(tree):\n    (tree.root / 'x').read_text()\n    open(tree.root / 'y')\n   "
        " tree.glob('*')\n"
    )
    assert [c for _, _, c in touching("workshop/trees.py", planted) if not of_tree(c)] == [
        "(tree.root / 'x').read_text",
        "open",
    ]
