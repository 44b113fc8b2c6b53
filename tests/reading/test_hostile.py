"""No input makes the reader raise or slow: generated, truncated, binary, mixed encodings, long
lines, repeats of every mark.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cihealing.reading import read, read_chunks
from cihealing.reading.read import scanner

SAMPLES = [
    sample["log"]
    for path in sorted((Path(__file__).parent / "samples").glob("*.yaml"))
    for sample in yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
]
LINES = sorted({line for log in SAMPLES for line in log.splitlines() if line})
KINDS = ("failed", "passed", "cancelled", "unknown")
PIECE = 64 << 10
PARTS = 16


def whole(raw: bytes) -> str:
    return read_chunks(iter([raw])).status


def damaged(source: random.Random) -> bytes:
    """A log of real lines in a senseless order, cut, with bytes changed, twice encoded or joined
    with noise.
    """
    raw = "\n".join(source.choices(LINES, k=source.randint(1, 60))).encode()
    how = source.randrange(5)
    if how == 0:
        return raw[source.randrange(len(raw) + 1) :][: source.randrange(len(raw) + 1)]
    if how == 1:
        return bytes(b if source.random() > 0.02 else source.randrange(256) for b in raw)
    if how == 2:
        return (
            raw.decode("utf-8", "replace").encode("utf-16")
            if source.random() < 0.5
            else raw.decode("latin-1").encode("utf-8")
        )
    if how == 3:
        return raw.replace(
            b"\n", source.choice([b"\r", b"\r\n", b"\0", b"\n\n", b"\x1b[31m\n", b" "])
        )
    return raw + source.randbytes(source.randrange(2000))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=600))
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    assert whole(raw) in KINDS


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(LINES), max_size=40), st.lists(st.sampled_from(LINES), max_size=10))
def test_no_order_of_real_lines_makes_it_raise(lines: list[str], green: list[str]) -> None:
    reading = read("\n".join(lines), green=["\n".join(green)])
    assert reading.failure is None or all(
        1 <= line.line <= max(len(lines), 1) for line in reading.failure.excerpt
    )


@pytest.mark.parametrize("seed", range(8))
def test_damaged_logs(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(40):
        assert whole(damaged(source)) in KINDS


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_ten_thousand_damaged_logs(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(100):
        assert whole(damaged(source)) in KINDS


def test_a_line_of_ten_megabytes() -> None:
    assert whole(b"error: " + b"x" * 10_000_000 + b"\nFinished: FAILURE\n") == "failed"
    assert whole(b"\xff" * 10_000_000) in KINDS


def repeats() -> Iterator[str]:
    """Each literal that anything is searched for, and each real line, over and over."""
    yield from scanner().needles
    yield from LINES


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_no_repeat_is_slow(part: int) -> None:
    """A bound that only a fault of the algorithm breaks: ten times the 100 ms for 64 KB that
    bench/READING.md is about.
    """
    slow = {}
    for piece in islice(repeats(), part, None, PARTS):
        for text in (piece * (PIECE // len(piece)), f"{piece}\n" * (PIECE // (len(piece) + 1))):
            # Once more where it was slow: others may have had the processor's caches.
            if (took := seconds(text)) > 1 and (took := min(took, seconds(text))) > 1:
                slow[piece] = round(took, 2)
    assert slow == {}


def seconds(text: str) -> float:
    start = time.process_time()
    read(text)
    return time.process_time() - start
