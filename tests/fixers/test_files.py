"""Files of a tree: found as a log names them, never through a link."""

from __future__ import annotations

from pathlib import Path

import pytest

from cihealing.fixers.shared import files
from cihealing.tree import Tree
from tests.fixers.trees import write


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    write(
        tmp_path,
        {
            "outside/a.py": "x",
            "tree/shop/a.py": "a",
            "tree/web/shop/a.py": "b",
            "tree/.venv/c.py": "c",
            "tree/big.py": "#" * 600_000,
        },
    )
    (tmp_path / "tree/file.py").symlink_to(tmp_path / "outside/a.py")
    (tmp_path / "tree/dir").symlink_to(tmp_path / "outside")
    (tmp_path / "tree/bytes.py").write_bytes(b"\xff\xfe")
    return Tree(root=tmp_path / "tree")


@pytest.mark.parametrize(
    "path",
    [
        "file.py",
        "dir/a.py",
        "../outside/a.py",
        "shop/../../outside/a.py",
        "/etc/passwd",
        "",
        "shop",
        "gone.py",
        "a\0b",
    ],
)
def test_what_is_no_plain_file_below_the_tree_is_neither_read_nor_written(
    tree: Tree, path: str
) -> None:
    assert not files.inside(tree, path)
    assert files.read(tree, path) is None
    with pytest.raises(FileNotFoundError):
        files.write(tree, path, "y")
    assert (tree.root.parent / "outside/a.py").read_text() == "x"


@pytest.mark.parametrize("path", ["big.py", "bytes.py"])
def test_what_nobody_wrote_by_hand_is_not_read(tree: Tree, path: str) -> None:
    assert files.inside(tree, path)
    assert files.read(tree, path) is None


def test_links_and_installed_packages_are_not_listed(tree: Tree) -> None:
    assert list(files.python_files(tree)) == ["big.py", "bytes.py", "shop/a.py", "web/shop/a.py"]


@pytest.mark.parametrize(
    ("named", "workdir", "found"),
    [
        ("shop/a.py", ".", "shop/a.py"),
        ("./shop/a.py", ".", "shop/a.py"),
        ("shop\\a.py", ".", "shop/a.py"),
        ("shop/a.py", "web", "web/shop/a.py"),
        ("web/shop/a.py", "web", "web/shop/a.py"),
        ("/home/runner/work/x/x/shop/a.py", ".", "shop/a.py"),
        ("/build/web/shop/a.py", ".", "web/shop/a.py"),
        ("other/a.py", ".", None),
        ("../tree/shop/a.py", ".", None),
        ("", ".", None),
    ],
)
def test_a_file_is_found_as_a_log_names_it(
    tree: Tree, named: str, workdir: str, found: str | None
) -> None:
    assert files.named_in_tree(tree, named, workdir=workdir) == found
