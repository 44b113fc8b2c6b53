"""The one door into a directory that untrusted code writes to: no link is followed, nothing special
is opened, nothing is unbounded.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from cihealing.scratch import scratch
from cihealing.tree import MAX_DEPTH, TooLarge, Tree, remove


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    return tmp_path / "outside"


@pytest.fixture
def tree(tmp_path: Path, outside: Path) -> Tree:
    root = tmp_path / "tree"
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/file").write_text("fine")
    (root / "way").symlink_to(outside)
    (root / "link").symlink_to(outside / "secret")
    (root / "a/up").symlink_to("..")
    return Tree(root=root)


def test_files_are_read_and_nothing_else(tree: Tree) -> None:
    os.mkfifo(tree.root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree.root / "socket"))
        refused = (
            "way/secret",
            "link",
            "a/up/a/b/file",
            "pipe",
            "socket",
            "a",
            "",
            ".",
            "..",
            "../outside/secret",
            "/etc/passwd",
            "gone",
            "a/b/file/x",
            "a\0b",
            "x" * 5000,
            "/".join("d" * 4000),
        )
        assert {path: tree.read(path) for path in refused if tree.read(path) is not None} == {}
    assert tree.read("a/b/file") == b"fine"
    assert tree.read("./a//b/file") == b"fine"


def test_what_is_too_large_is_not_read(tree: Tree) -> None:
    (tree.root / "large").write_bytes(b"x" * 11)
    assert tree.read("large", limit=10) is None
    assert tree.read("large", limit=11) == b"x" * 11


def test_a_file_that_grows_while_it_is_read_stays_bounded(tree: Tree) -> None:
    growing, stop = tree.root / "growing", threading.Event()

    def grow() -> None:
        with growing.open("ab") as file:
            while not stop.is_set():
                file.write(b"x" * 4096)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        seen = [tree.read("growing", limit=100_000) for _ in range(200)]
    finally:
        stop.set()
        thread.join()
    assert all(content is None or len(content) <= 100_000 for content in seen)


def test_a_directory_swapped_for_a_link_is_never_read_through(tree: Tree, outside: Path) -> None:
    (tree.root / "swapped").mkdir()
    (tree.root / "swapped/secret").write_text("harmless")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (tree.root / "swapped").rename(tree.root / "kept")
            (tree.root / "swapped").symlink_to(outside)
            (tree.root / "swapped").unlink()
            (tree.root / "kept").rename(tree.root / "swapped")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = {tree.read("swapped/secret") for _ in range(3000)}
        walked = {e.path for _ in range(100) for e in tree.walk()}
    finally:
        stop.set()
        thread.join()
    assert seen <= {b"harmless", None}
    assert not any(path.startswith("way/") for path in walked)


def test_the_walk_names_links_and_does_not_follow_them(tree: Tree) -> None:
    assert [e.path for e in tree.walk()] == ["a", "link", "way", "a/b", "a/up", "a/b/file"]
    assert [e.path for e in tree.walk("a/b")] == ["a/b/file"]
    assert list(tree.walk("way")) == []
    assert [e.path for e in tree.walk(leave_out="a".__eq__)] == ["link", "way"]


def test_more_than_anybody_has_is_refused(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = os.open(tree.root, os.O_RDONLY)
    for _ in range(MAX_DEPTH + 1):
        os.mkdir("d", dir_fd=descriptor)
        further = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = further
    os.close(descriptor)
    with pytest.raises(TooLarge, match="below each other"):
        list(tree.walk())
    monkeypatch.setattr("cihealing.tree.MAX_ENTRIES", 3)
    with pytest.raises(TooLarge, match="files"):
        list(tree.walk())


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**/*.xml", ["a/b/r.xml", "a/r.xml", "r.xml"]),
        ("*.xml", ["r.xml"]),
        ("a/?.xml", ["a/r.xml"]),
        ("a/**", ["a/b/file", "a/b/r.xml", "a/r.xml"]),
        ("/etc/*", []),
        ("../*", []),
        ("way/*", []),
        ("", []),
        ("[", []),
    ],
)
def test_a_glob_stays_below(tree: Tree, pattern: str, found: list[str]) -> None:
    for place in ("r.xml", "a/r.xml", "a/b/r.xml"):
        (tree.root / place).write_text("x")
    assert sorted(tree.glob(pattern)) == found


def test_writing_keeps_the_mode_and_goes_through_no_link(tree: Tree, outside: Path) -> None:
    (tree.root / "a/b/file").chmod(0o755)
    tree.write("a/b/file", b"new")
    tree.write("new/dir/file", b"made")
    assert (
        (tree.root / "a/b/file").read_text(),
        (tree.root / "a/b/file").stat().st_mode & 0o777,
    ) == ("new", 0o755)
    assert (tree.root / "new/dir/file").read_text() == "made"
    for path in ("way/secret", "link", "a/up/x", "a"):
        with pytest.raises(OSError):
            tree.write(path, b"x")
    assert {p.name: p.read_text() for p in outside.iterdir()} == {"secret": "secret"}


def test_removing_takes_the_name_and_not_what_it_points_to(tree: Tree, outside: Path) -> None:
    tree.remove("link")
    tree.remove("gone")
    assert not (tree.root / "link").is_symlink()
    with pytest.raises(OSError):
        tree.remove("way/secret")
    assert (outside / "secret").read_text() == "secret"


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_everything_is_given_to_a_user_and_nothing_behind_a_link(tree: Tree, outside: Path) -> None:
    tree.give_to(12345)
    assert {p.lstat().st_uid for p in [tree.root, *tree.root.rglob("*")]} == {12345}
    assert {p.lstat().st_uid for p in [outside, outside / "secret"]} == {0}
    tree.write("mine", b"x")
    assert (tree.root / "mine").lstat().st_uid == 12345


def test_whatever_was_left_is_removed(tmp_path: Path, outside: Path) -> None:
    with scratch("test") as place:
        descriptor = os.open(place, os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("d" * 20, dir_fd=descriptor)
            further = os.open("d" * 20, os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = further
        os.close(descriptor)
        (place / "way").symlink_to(outside)
        os.mkfifo(place / "pipe")
        (place / "shut/in").mkdir(parents=True)
        (place / "shut").chmod(0)
    assert not place.parent.exists()
    assert list(place.parent.parent.glob(f"{place.parent.name}*")) == []
    assert (outside / "secret").exists()


def test_nobody_else_gets_to_scratch() -> None:
    with scratch("test") as place:
        assert place.parent.stat().st_mode & 0o777 == 0o700
        assert place.parent.stat().st_uid == os.getuid()


def test_a_link_in_place_of_the_directory_is_left_alone(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "link").symlink_to(outside)
    remove(tmp_path / "link")
    assert (outside / "secret").exists()
