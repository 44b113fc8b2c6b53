"""The small pure parts: diff, charts, filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cihealing.domain.values import Colour
from cihealing.read.rows import ExcerptLine
from dashboard import charts, diff
from dashboard.pages import seen
from dashboard.templatetags import shown
from tests import factories as make

PATCHES = [
    ("@@ -1 +1 @@\n-a\n+b\n", [("hunk", None, None), ("del", 1, None), ("add", None, 1)]),
    (
        "@@ -3,2 +3,3 @@ def f():\n x\n+y\n z\n",
        [("hunk", None, None), ("same", 3, 3), ("add", None, 4), ("same", 4, 5)],
    ),
    (
        "--- a/x\n+++ b/x\n@@ -1 +0,0 @@\n--- a/y\n--- a/z\n",
        [("file",), ("file",), ("hunk",), ("del", 1, None), ("file",)],
    ),
    ("@@ -0,0 +1 @@\n+++ b/passwd\n+++ b/z\n", [("hunk",), ("add", None, 1), ("file",)]),
    (
        "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n",
        [("hunk",), ("del", 1, None), ("note",), ("add", None, 1)],
    ),
    ("diff --git a/x b/x\nnew file mode 100644\nindex 0..1\n", [("file",), ("note",), ("note",)]),
    ("not a patch\n@@ nonsense @@\n", [("note",), ("note",)]),
    ("", []),
]


@pytest.mark.parametrize(("patch", "rows"), PATCHES)
def test_hunks_are_as_long_as_their_header_says(patch: str, rows: list[tuple[object, ...]]) -> None:
    found = [(row.kind, row.old, row.new) for row in diff.read(patch).rows]
    assert [row[: len(wanted)] for row, wanted in zip(found, rows, strict=True)] == rows


def test_a_diff_counts_its_lines() -> None:
    found = diff.read("@@ -1,2 +1,1 @@\n-a\n-b\n+c\n")
    assert (found.added, found.removed, found.cut) == (1, 2, False)


@pytest.mark.parametrize(
    "patch", ["@@ -1 +1,9000 @@\n" + "+x\n" * 9000, "@@ -1 +1 @@\n+" + "x" * 9000]
)
def test_a_patch_too_long_to_show_says_so(patch: str) -> None:
    found = diff.read(patch)
    assert found.cut
    assert len(found.rows) <= diff.MOST_ROWS
    assert all(len(row.text) <= diff.LONGEST + 2 for row in found.rows)


def test_a_diff_of_a_million_signs_is_read_in_no_time() -> None:
    begun = datetime.now(UTC)
    diff.read("@@ -1,99999 +1,99999 @@ " * 40_000 + "\n" + "@@ -" * 300_000)
    assert datetime.now(UTC) - begun < timedelta(seconds=1)


@pytest.mark.parametrize(
    "counts",
    [{"fixed": 1, "resolved": 2}, {"queued": 7}, {"running": 1, "aborted": 999, "escalated": 3}],
)
def test_the_band_is_full_and_in_the_order_of_a_runs_life(counts: dict[str, int]) -> None:
    band = charts.band(counts)
    assert {s.status: s.count for s in band.segments} == counts
    assert [s.status for s in band.segments] == [s for s in charts.STATUSES if s in counts]
    assert sum(s.width for s in band.segments) == pytest.approx(band.width, abs=0.05)
    assert all(
        a.x + a.width == pytest.approx(b.x, abs=0.05)
        for a, b in zip(band.segments, band.segments[1:], strict=False)
    )


def test_no_runs_make_an_empty_band_and_no_bars() -> None:
    assert charts.band({}).segments == ()
    assert charts.shares({}) == charts.shares({"env": 0}) == ()


def test_bars_are_measured_by_the_longest() -> None:
    assert [(s.name, s.percent) for s in charts.shares({"env": 1, "infra": 4, "data": 0})] == [
        ("infra", 100.0),
        ("env", 25.0),
    ]


@pytest.mark.parametrize(
    ("given", "followed"),
    [
        ("https://ci.example/1", True),
        ("http://10.0.0.1:8080/job/1?x=y", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt://ci.example/%0aalert(1)", False),
        ("data:text/html,x", False),
        ("//evil.example", False),
        ("/etc/passwd", False),
        ("https://", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_addresses_of_the_web_become_links(given: str, followed: bool) -> None:
    assert shown.web_url(given) == (given if followed else "")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "–"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (41.2, "41 s"),
        (59.7, "60 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_seconds_are_told_as_people_say_them(value: float | None, told: str) -> None:
    assert shown.seconds(value) == told


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (3, "just now"),
        (50, "1 min ago"),
        (600, "10 min ago"),
        (3 * 3600, "3 h ago"),
        (50 * 3600, "2 d ago"),
        (-5, "just now"),
    ],
)
def test_ages_are_told_as_people_say_them(age: float, told: str) -> None:
    assert shown.ago(datetime.now(UTC) - timedelta(seconds=age)) == told


@pytest.mark.parametrize(
    ("counted", "told"),
    [
        ({"passed": 5, "collected": 5}, "5 passed, 0 failed"),
        (
            {"passed": 3, "failed": 2, "skipped": 1, "failed_tests": ("a",)},
            "3 passed, 2 failed, 1 skipped",
        ),
        ({"passed_tests": ("a", "b"), "failed_tests": ("c",)}, "2 passed, 1 failed"),
    ],
)
def test_tests_are_counted_whether_their_names_are_kept_here_or_not(
    counted: dict[str, Any], told: str
) -> None:
    assert shown.tests_told(make.observation(Colour.RED, counts_tests=True, **counted)) == told


def test_gaps_count_the_lines_left_out() -> None:
    lines = tuple(ExcerptLine(line=n, text="") for n in (7, 8, 12, 12))
    assert [gap for gap, _ in shown.with_gaps(lines)] == [0, 0, 3, 0]
    assert shown.with_gaps(()) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("plain\ttext\r\n", "plain\ttext\r\n"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("\x1b[31m", "⟨U+001B⟩[31m"),
        ("žluťoučký 日本 עברית 🙂", "žluťoučký 日本 עברית 🙂"),
    ],
)
def test_only_what_cannot_be_seen_is_spelled_out(given: str, told: str) -> None:
    assert seen(given) == told
