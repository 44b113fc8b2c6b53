"""Any edit of any text changes exactly the lines meant, byte for byte."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cihealing.diagnosis.prompting.answer import Answer
from cihealing.diagnosis.prompting.given import NotApplicable
from cihealing.diagnosis.prompting.patching import to_patch
from tests.diagnosis.answers import Blobs, diff, edits, git, index, patched, staged

BOMS = {"utf-8-sig": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
LETTERS = {"latin-1": "é§ü", "cp1252": "é\u20acü"}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "latin-1", "cp1252"]
ODD = ["", "  ", "```", "```python", "--- one", "+++ two", "@@ -1 +1 @@", "\\ No newline", "-- "]


@dataclass(frozen=True)
class Situation:
    """A file, the lines of it that are meant, and what is to stand there instead."""

    encoding: str
    lines: tuple[tuple[str, str], ...]
    first: int
    last: int
    new: tuple[str, ...]

    def raw(self, lines: list[tuple[str, str]]) -> bytes:
        text = "".join(text + end for text, end in lines)
        bare = "utf-8" if self.encoding == "utf-8-sig" else self.encoding
        return BOMS.get(self.encoding, b"") + text.encode(bare)

    @property
    def before(self) -> bytes:
        return self.raw(list(self.lines))

    @property
    def old(self) -> list[str]:
        return [text for text, _ in self.lines[self.first : self.last]]

    @property
    def meant(self) -> bytes:
        """What is new ends as what it replaces, line by line, then as the line before."""
        ends = [end for _, end in self.lines[self.first : self.last]]
        is_last = self.last == len(self.lines)
        near = next((end for end in ends if end), self.near)
        fresh = []
        for n, text in enumerate(self.new):
            same = len(self.new) == len(ends) and ends[n]
            near = same or near
            fresh.append((text, near))
        if is_last and fresh and not ends[-1]:
            fresh[-1] = (fresh[-1][0], "")
        return self.raw([*self.lines[: self.first], *fresh, *self.lines[self.last :]])

    @property
    def near(self) -> str:
        around = [*reversed(self.lines[: self.first]), *self.lines[self.last :]]
        return next((end for _, end in around if end), "\n")


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    encoding = draw(st.sampled_from(ENCODINGS))
    letters = "ab =\t(" + LETTERS.get(encoding, "é\u20acя")
    text = st.text(alphabet=letters, max_size=8) | st.sampled_from(ODD)
    count = draw(st.integers(1, 8))
    texts = draw(st.lists(text, min_size=count, max_size=count))
    # Every text is found once: what stands twice is another test's matter.
    texts = [f"{line} {n}é" for n, line in enumerate(texts)]
    ends = draw(st.lists(st.sampled_from(["\n", "\r\n"]), min_size=count, max_size=count))
    if draw(st.booleans()):
        ends[-1] = ""
    first = draw(st.integers(0, count - 1))
    last = draw(st.integers(first + 1, count))
    new = [f"{line} new {n}" for n, line in enumerate(draw(st.lists(text, min_size=1, max_size=4)))]
    return Situation(encoding, tuple(zip(texts, ends, strict=True)), first, last, tuple(new))


def by_edit(case: Situation) -> Answer:
    return edits(("a.txt", "\n".join(case.old), "\n".join(case.new)))


def by_edit_in_fences(case: Situation) -> Answer:
    fenced = ["\n".join(["```text", *lines, "```"]) for lines in (case.old, case.new)]
    return edits(("a.txt", *fenced))


def hunk_of(case: Situation) -> str:
    first, last = max(0, case.first - 1), min(len(case.lines), case.last + 1)
    parts = case.lines[first : case.first], case.lines[case.last : last]
    around = [[text for text, _ in part] for part in parts]
    body = [
        *(f" {text}" for text in around[0]),
        *(f"-{text}" for text in case.old),
        *(f"+{text}" for text in case.new),
        *(f" {text}" for text in around[1]),
    ]
    more = len(case.new) - len(case.old)
    head = f"@@ -{first + 1},{last - first} +{first + 1},{last - first + more} @@"
    return "\n".join(["--- a/a.txt", "+++ b/a.txt", head, *body]) + "\n"


def by_diff(case: Situation) -> Answer:
    return diff(hunk_of(case))


def by_fenced_diff(case: Situation) -> Answer:
    return diff(f"Here it is:\n```diff\n{hunk_of(case)}```\n")


def by_diff_with_wrong_numbers(case: Situation) -> Answer:
    lines = hunk_of(case).split("\n")
    return diff("\n".join([*lines[:2], "@@ -700,9 +700,9 @@", *lines[3:]]))


def by_diff_with_carriage_returns(case: Situation) -> Answer:
    return diff(hunk_of(case).replace("\n", "\r\n"))


WAYS = [by_edit, by_edit_in_fences, by_diff, by_fenced_diff, by_diff_with_carriage_returns]


def outcome(place: Path, case: Situation, answer: Answer) -> bytes:
    return patched(place, {"a.txt": case.before}, answer)["a.txt"]


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
@settings(max_examples=25, deadline=None)
@given(case=situations())
def test_exactly_what_is_meant_changes(
    tmp_path_factory: Any, way: Callable[[Situation], Answer], case: Situation
) -> None:
    assert outcome(tmp_path_factory.mktemp("x"), case, way(case)) == case.meant


@settings(max_examples=25, deadline=None)
@given(case=situations())
def test_wrong_numbers_never_change_anything_else(tmp_path_factory: Any, case: Situation) -> None:
    """Without counts some lines look like the head of a file; then the answer is refused."""
    answer = by_diff_with_wrong_numbers(case)
    try:
        made = outcome(tmp_path_factory.mktemp("x"), case, answer)
    except NotApplicable:
        heads = ("--- ", "+++ ", "@@", "-- ")
        assert any(text.startswith(heads) for text in [*case.old, *case.new])
        return
    assert made == case.meant


FILES = st.binary(max_size=40).map(lambda b: b.replace(b"\0", b"\n")) | st.lists(
    st.sampled_from([b"a", b"b", b"", b"  ", b"-- x", b"++ y", b"\xe9", b"a\r"]), max_size=9
).map(b"\n".join)


@settings(max_examples=60, deadline=None)
@given(before=FILES, after=FILES)
def test_what_git_itself_says_is_applied_as_git_does(
    tmp_path_factory: Any, before: bytes, after: bytes
) -> None:
    """The judge of a well-formed diff is `git apply`."""
    place = tmp_path_factory.mktemp("x")
    index(place, {"a.txt": before})
    (place / "a.txt").write_bytes(after)
    made = git(place, "diff", "--text")
    try:
        text = made.decode()
    except UnicodeDecodeError:
        return  # no answer can hold it: JSON is UTF-8
    if not text:
        return
    subprocess.run(["git", "-C", str(place), "apply", "--cached", "-"], input=made, check=True)
    wanted = staged(place)["a.txt"][1]
    assert wanted == after
    assert to_patch(diff(text), Blobs({"a.txt": before})).after == {"a.txt": after}
