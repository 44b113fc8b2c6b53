"""Line numbers of the original file, without stamps, colours and what hides."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cihealing.reading.clean import MAX_LINE, bare_line, lines_of, plain
from tests.tables import table


def cleaned(text: str) -> list[str]:
    return [bare_line(line) for line in lines_of(plain(text))]


@table(
    ("raw", "text"),
    [
        ("2026-01-02T03:04:05.1234567Z hello", "hello"),
        ("\ufeff2026-01-02T03:04:05.1234567Z hello", "hello"),
        ("build\tRun tests\t2026-01-02T03:04:05.1234567Z hello", "hello"),
        ("2026-01-02T03:04:05.123456Z 01O hello", "hello"),
        ("2026-01-02T03:04:05.123456Z 01E+hello", "hello"),
        ("[2026-01-02T03:04:05.123Z] hello", "hello"),
        ("03:04:05  hello", "hello"),
        ("\x1b_bk;t=1700000000000\x07hello", "hello"),
        ("\x1b[31;1mred\x1b[0m text", "red text"),
        ("#47 0.996 copying", "copying"),
        ("  indented stays", "  indented stays"),
        ("2026-01-02 is a date", "2026-01-02 is a date"),
    ],
)
def test_what_ci_adds_to_a_line_is_taken_off(raw: str, text: str) -> None:
    assert cleaned(raw) == [text]


@pytest.mark.parametrize(
    "mark",
    [
        "travis_fold:start:install",
        "travis_time:end:0a1b2c:start=1,finish=2",
        "section_start:1700000000:build",
        "section_end:1700000000:build",
    ],
)
def test_fold_marks_leave_an_empty_line(mark: str) -> None:
    assert cleaned(f"{mark}\r\x1b[0Khello") == ["", "hello"]


def test_lines_are_counted_by_universal_newlines_and_by_nothing_else() -> None:
    raw = "one\r\ntwo\r 10%\r100%\nfive\x0bstill\u2028five\x85"
    lines = cleaned(raw)
    assert len(lines) == len(re.split(r"\r\n|\r|\n", raw)) == 5
    assert lines[3] == "100%"
    assert lines[4] == "five<U+000B>still<U+2028>five<U+0085>"


@pytest.mark.parametrize(
    "hidden", ["\u202e", "\u200b", "\u2066", "\u061c", "\U000e0041", "\x00", "\u2060"]
)
def test_what_is_invisible_or_reorders_is_written_out(hidden: str) -> None:
    assert cleaned(f"a{hidden}b") == [f"a<U+{ord(hidden):04X}>b"]


def test_a_very_long_line_is_bounded() -> None:
    (line,) = cleaned("x" * 10_000_000)
    assert len(line) <= MAX_LINE + 100


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet=st.characters(codec=None), max_size=200))
def test_any_text_keeps_its_number_of_lines_and_loses_every_control_character(text: str) -> None:
    lines = cleaned(text)
    assert len(lines) == len(re.split(r"\r\n|\r|\n", plain(text)))
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", "\n".join(lines)
    )
