"""A patch in somebody's working tree: what it does not speak of stays as it lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from cihealing import trial

HEAD = "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n"
CHANGE = f"{HEAD}@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
LATIN = f"{HEAD}@@ -1,2 +1,2 @@\n caf\udce9\n-two\n+2\n"
RENAME = "diff --git a/a.txt b/b.txt\nrename from a.txt\nrename to b.txt\n"
MADE = (
    "diff --git a/n.txt b/n.txt\nnew file mode 100644\n--- /dev/null\n+++ b/n.txt\n"
    "@@ -0,0 +1 @@\n+n\n"
)


def applied(place: Path, content: bytes, patch: str) -> dict[str, bytes]:
    (place / "a.txt").write_bytes(content)
    trial.apply(trial.Repository(root=place, prefix=".", bare=False), patch)
    return {path.name: path.read_bytes() for path in place.iterdir()}


@pytest.mark.parametrize(
    ("content", "patch", "after"),
    [
        (b"one\ntwo\nthree\n", CHANGE, {"a.txt": b"one\n2\nthree\n"}),
        (b"one\r\ntwo\r\nthree\r\n", CHANGE, {"a.txt": b"one\r\n2\r\nthree\r\n"}),
        (b"one\r\ntwo\nthree", CHANGE, {"a.txt": b"one\r\n2\nthree"}),
        (b"caf\xe9\ntwo\n", LATIN, {"a.txt": b"caf\xe9\n2\n"}),
        (b"x\r\n", RENAME, {"b.txt": b"x\r\n"}),
        (b"x", MADE, {"a.txt": b"x", "n.txt": b"n\n"}),
    ],
    ids=["plain", "autocrlf", "mixed", "latin-1", "rename", "new"],
)
def test_a_patch_changes_what_it_says(
    tmp_path: Path, content: bytes, patch: str, after: dict[str, bytes]
) -> None:
    assert applied(tmp_path, content, patch) == after


@pytest.mark.parametrize(
    ("content", "patch"),
    [
        (b"one\ntwo  \nthree\n", CHANGE),
        (b"  one\n  two\n  three\n", CHANGE),
        (b"other\n", CHANGE),
        (b"one\ntwo\nthree\n", CHANGE + MADE.replace("n.txt", "a.txt")),
        (b"one\ntwo\nthree\n", CHANGE + MADE.replace("n.txt", "../n.txt")),
    ],
)
def test_what_does_not_fit_changes_nothing(tmp_path: Path, content: bytes, patch: str) -> None:
    place = tmp_path / "repo"
    place.mkdir()
    with pytest.raises(trial.CannotApply):
        applied(place, content, patch)
    assert [path.name for path in tmp_path.rglob("*")] == ["repo", "a.txt"]
    assert (place / "a.txt").read_bytes() == content


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    place, other = tmp_path / "repo", tmp_path / "other.txt"
    place.mkdir()
    other.write_text("one\ntwo\nthree\n")
    (place / "a.txt").symlink_to(other)
    with pytest.raises(trial.CannotApply, match="link"):
        trial.apply(trial.Repository(root=place, prefix=".", bare=False), CHANGE)
    assert other.read_text() == "one\ntwo\nthree\n"
