"""A log that is too large to keep reads like one that is kept whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cihealing.reading import read, read_chunks, sieve
from cihealing.reading.read import sift

LOGS = Path(__file__).parent / "logs"
NOISE = "".join(f"step {i} of something that is fine\n" for i in range(4000))


def pieces(text: str, size: int = 1 << 16) -> Iterator[bytes]:
    raw = text.encode()
    return (raw[i : i + size] for i in range(0, len(raw), size))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a log of 20 KB were a large one."""
    monkeypatch.setattr(sieve, "WHOLE", 20_000)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", sorted(path.stem for path in LOGS.glob("*.log")))
@pytest.mark.parametrize("size", [997, 1 << 16])
def test_a_failure_in_the_middle_of_a_large_log_is_found(name: str, size: int) -> None:
    before = NOISE.count("\n")
    text = (LOGS / f"{name}.log").read_text(encoding="utf-8")
    alone, hidden = read(text), read_chunks(pieces(NOISE + text + NOISE, size))
    assert alone.failure is not None
    assert hidden.failure is not None
    assert (hidden.status, hidden.failed_tests, hidden.failure.error_hash) == (
        alone.status,
        alone.failed_tests,
        alone.failure.error_hash,
    )
    assert [(line.line - before, line.text) for line in hidden.failure.excerpt] == [
        (line.line, line.text) for line in alone.failure.excerpt
    ]
    assert hidden.redacted_log == ""


@pytest.mark.usefixtures("small")
def test_what_is_kept_stands_under_its_own_number() -> None:
    text = NOISE + "FAILED tests/test_a.py::test_one - ValueError: x\n" + NOISE
    kept = sift(pieces(text, 1000))
    lines = text.split("\n")
    assert kept.numbers is not None
    assert kept.total == len(lines) - 1
    assert list(kept.numbers) == sorted(set(kept.numbers))
    assert all(
        lines[number - 1] == line for number, line in zip(kept.numbers, kept.lines, strict=True)
    )
    assert len(kept.lines) < kept.total


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["x", "", "error: y", "FAILED a.py::b", "é\r\nz", "w\rv"]), max_size=400
    ),
    st.integers(1, 50),
)
def test_lines_and_numbers_agree_wherever_chunks_are_cut(lines: list[str], size: int) -> None:
    text = "\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sieve, "WHOLE", 200)
        patch.setattr(sieve, "HEAD", 3)
        patch.setattr(sieve, "TAIL", 5)
        kept = sift(pieces(text, size))
    every = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbers = range(1, len(kept.lines) + 1) if kept.numbers is None else kept.numbers
    assert [every[number - 1] for number in numbers] == kept.lines


@pytest.mark.usefixtures("small")
def test_what_is_kept_is_bounded_whatever_the_log_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieve, "BUDGET", 200_000)
    monkeypatch.setattr(sieve, "TAIL", 100)
    words = ("alpha", "beta", "gamma", "delta", "omega")
    lines = (
        f"error {'-'.join(words[i // 5**k % 5] for k in range(6))} of FAILED Exception {i}\n"
        for i in range(40_000)
    )
    kept = sift(pieces("".join(lines)))
    assert kept.total == 40_000
    assert sum(map(len, kept.lines)) < 400_000


@pytest.mark.usefixtures("small")
def test_a_line_without_an_end_keeps_its_head() -> None:
    kept = sift(
        iter(
            [b"error: the beginning "]
            + [b"x" * 1_000_000] * 12
            + [b" the end\nFinished: FAILURE\n"]
        )
    )
    assert kept.lines[0].startswith("error: the beginning")
    assert kept.lines[0].endswith("the end")
    assert kept.lines[1] == "Finished: FAILURE"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("at", range(0, 2600, 200))
def test_no_part_of_a_private_key_is_kept_wherever_a_chunk_ends(at: int) -> None:
    body = "\n".join(f"MIIEow{i:02}QWxhZGRpbjpvcGVuIHNlc2FtZQ" for i in range(26))
    key = f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{body}\n-----END RSA {'PRIVATE'} KEY-----\n"
    text = NOISE + key + "error: it failed\n" + NOISE
    cut = len(NOISE) + at
    kept = sift(iter([text[:cut].encode(), text[cut:].encode()]))
    assert not [line for line in kept.lines if "MIIEow" in line]
    assert kept.total == text.count("\n")


def test_utf_16_and_bytes_that_are_no_text() -> None:
    reading = read_chunks(iter(["\ufeffError: nö\nFinished: FAILURE\n".encode("utf-16-le")]))
    assert reading.failure is not None
    assert reading.failure.summary == "Error: nö"
    assert read_chunks(iter([b"\xff\xfe\x00\xd8", b"\x80\x81\n"])).status == "unknown"
    assert read_chunks(iter([])).status == "unknown"
