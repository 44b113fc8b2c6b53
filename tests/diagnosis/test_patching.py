"""Edits and diffs of a model into patches that git takes: text must be found, and found once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cihealing.diagnosis.prompting.answer import Answer
from cihealing.diagnosis.prompting.patching import NotApplicable, to_patch
from tests.diagnosis.answers import Blobs, patched, said
from tests.tables import table

TEXT = (
    "def total(items):\n    result = 0\n    for item in items:\n        result += item\n    return"
    " result\n"
)


def applied(place: Path, files: dict[str, str], answer: Answer) -> dict[str, str]:
    """What git makes of the patch."""
    found = patched(place, {name: text.encode() for name, text in files.items()}, answer)
    return {name: content.decode() for name, content in found.items()}


def refused(answer: Answer) -> None:
    to_patch(answer, Blobs({"a.py": TEXT.encode()}))


@pytest.mark.parametrize(
    ("search", "replace", "wanted"),
    [
        ("    result = 0\n", "    result = 1\n", TEXT.replace("= 0", "= 1")),
        ("result = 0", "result = 1", TEXT.replace("= 0", "= 1")),
        (
            "for item in items:\n    result += item",
            "for item in items:\n    result += 2 * item",
            TEXT.replace("+= item", "+= 2 * item"),
        ),
        ("    result = 0   \n", "    result = 1\n", TEXT.replace("= 0", "= 1")),
        (
            "\n\n    return result\n\n",
            "    return -result",
            TEXT.replace("return result", "return -result"),
        ),
        ("    return result\n", "", TEXT.replace("    return result\n", "")),
    ],
    ids=[
        "exact",
        "within a line",
        "indented otherwise",
        "blanks at the end",
        "empty lines around",
        "deleted",
    ],
)
def test_text_that_is_found_once_is_replaced(
    tmp_path: Path, search: str, replace: str, wanted: str
) -> None:
    assert applied(tmp_path, {"a.py": TEXT}, said(("a.py", search, replace)))["a.py"] == wanted


@table(
    ("edits", "says"),
    [
        ([("a.py", "item", "x")], r"stands 2 times in a\.py \(lines 3 and 4\)"),
        ([("a.py", "nothing like it", "x")], "is not in"),
        ([("a.py", "for item in item:", "x")], "is not in"),
        ([("b.py", "x", "y")], "no text file"),
        ([("a.py", "   \n ", "y")], "is empty"),
        ([("a.py", "result = 0", "result = 0")], "changes nothing"),
        ([], "neither edits nor"),
        ([("/etc/passwd", "", "x")], "inside the repository"),
        ([("../a.py", "", "x")], "inside the repository"),
        ([("a/../../b", "", "x")], "inside the repository"),
        ([("~/x", "", "x")], "inside the repository"),
        ([(".git/config", "", "x")], "inside the repository"),
        ([("a/.GIT/hooks/x", "", "x")], "inside the repository"),
        ([("a\\b", "", "x")], "inside the repository"),
        ([("a\nb", "", "x")], "plain path"),
        ([('a"b', "", "x")], "plain path"),
    ],
)
def test_everything_else_is_refused_in_words(edits: list[tuple[str, str, str]], says: str) -> None:
    with pytest.raises(NotApplicable, match=says):
        refused(said(*edits))


def test_several_edits_of_one_file_build_on_each_other(tmp_path: Path) -> None:
    answer = said(
        ("a.py", "result = 0", "total = 0"),
        ("a.py", "total = 0", "total = 1"),
        ("new.py", "", "x = 1"),
    )
    files = applied(tmp_path, {"a.py": TEXT}, answer)
    assert "total = 1" in files["a.py"]
    assert files["new.py"] == "x = 1"


@pytest.mark.parametrize(
    "old",
    [
        "a = 1\r\nb = 2\r\n",
        "a = 1\nb = 2",
        "a = 1\r\nb = 2",
        "é = 1\nb = 2\n",
        "a = 1\u2028\nb = 2\n\x0c",
    ],
)
def test_line_ends_and_letters_stay_as_they_are(tmp_path: Path, old: str) -> None:
    assert applied(tmp_path, {"a.py": old}, said(("a.py", "b = 2", "b = 3")))[
        "a.py"
    ] == old.replace("b = 2", "b = 3")


WRONG_NUMBERS = """```diff
--- a/a.py
+++ b/a.py
@@ -90,3 +12,99 @@ def x
     result = 0
-    for item in items:
+    for item in list(items):
```
"""


def test_a_diff_with_wrong_numbers_in_a_fence_is_understood(tmp_path: Path) -> None:
    assert "list(items)" in applied(tmp_path, {"a.py": TEXT}, said(diff=WRONG_NUMBERS))["a.py"]


@pytest.mark.parametrize(
    ("diff", "says"),
    [
        ("--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-    item\n+    x\n", "is not in|stands"),
        ("--- a/gone.py\n+++ b/gone.py\n@@ -1 +1 @@\n-x\n+y\n", "no text file"),
        ("--- a/a.py\n+++ b/b.py\n@@ -1 +1 @@\n-x\n+y\n", "renamed"),
        ("GIT binary patch\nliteral 0\n", "neither"),
        ("just words", "neither"),
        ("--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-x\n+y\n", "inside"),
    ],
)
def test_a_diff_that_does_not_fit_is_refused(diff: str, says: str) -> None:
    with pytest.raises(NotApplicable, match=says):
        refused(said(diff=diff))


def test_a_diff_may_make_and_delete_files(tmp_path: Path) -> None:
    diff = (
        "--- /dev/null\n+++ b/n.py\n@@ -0,0 +1 @@\n+x = 1\n--- a/a.py\n+++ /dev/null\n@@ -1 +0,0"
        " @@\n-x\n"
    )
    assert applied(tmp_path, {"a.py": TEXT}, said(diff=diff)) == {"n.py": "x = 1\n"}


LINES = st.lists(st.text(alphabet=" \tabc=():#é\x0c", max_size=12), min_size=1, max_size=12)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lines=LINES,
    at=st.integers(0, 11),
    new=st.text(alphabet="abc \n=é", max_size=30),
    ends=st.sampled_from(["\n", ""]),
)
def test_git_makes_of_the_patch_what_the_edit_says(
    tmp_path_factory: Any, lines: list[str], at: int, new: str, ends: str
) -> None:
    unique = f"here {at}"
    old = "\n".join([*lines[:at], unique, *lines[at:]]) + ends
    wanted = old.replace(unique, new)
    assume(wanted != old)
    assert (
        applied(tmp_path_factory.mktemp("x"), {"a.py": old}, said(("a.py", unique, new)))["a.py"]
        == wanted
    )
