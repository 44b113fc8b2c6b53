"""One pass finds what many would; both engines give the same answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cihealing.reading import scan
from cihealing.reading.read import scanner
from cihealing.reading.scan import Scanner

NEEDLES = ("error", "err", "rror:", "\n+ ", "●", "a", "aa", "aab", "-----", "b\t", ".*", "[x]")


def by_hand(needles: tuple[str, ...], text: str) -> dict[str, list[int]]:
    lines = [f"\n{line}" for line in text.split("\n")]
    found = {needle: [i for i, line in enumerate(lines) if needle in line] for needle in needles}
    return {needle: at for needle, at in found.items() if at}


@pytest.fixture(params=[True, False], ids=["hyperscan", "re"])
def engine(request: pytest.FixtureRequest) -> bool:
    if request.param:
        pytest.importorskip("hyperscan")
    return bool(request.param)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="aberro:+ \n●-\t.*[x]", max_size=120))
@pytest.mark.parametrize("fast", [True, False])
def test_every_line_of_every_needle_is_found(fast: bool, text: str) -> None:
    if fast:
        pytest.importorskip("hyperscan")
    assert Scanner(NEEDLES, fast=fast).hits(text.encode()) == by_hand(NEEDLES, text)


@pytest.mark.parametrize("size", [1, 7, 40])
def test_blocks_do_not_matter(engine: bool, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "x error\n+ make\n\nplain\naab err\n" * 9 + "last error"
    monkeypatch.setattr(scan, "BLOCK", size)
    assert Scanner(NEEDLES, fast=engine).hits(text.encode()) == by_hand(NEEDLES, text)


def test_threads_share_one_scanner(engine: bool) -> None:
    shared, text = Scanner(NEEDLES, fast=engine), "x error\n+ make\nplain\n" * 2000
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: shared.hits(text.encode()), range(40)))
    assert all(each == by_hand(NEEDLES, text) for each in found)


def test_without_the_fast_engine_the_other_one_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(scan, "import_module", missing)
    assert isinstance(Scanner(NEEDLES).engine, scan.Trie)
    assert Scanner(NEEDLES).hits(b"an error") == by_hand(NEEDLES, "an error")


def test_what_is_searched_in_every_log_is_selective() -> None:
    """A needle that stands in every other line costs more than what it finds."""
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for path in sorted((Path(__file__).parent / "samples").glob("*.yaml"))
    )
    most = text.count("\n") // 20
    assert {
        needle: len(lines)
        for needle, lines in scanner().hits(text.encode()).items()
        if len(lines) > most
    } == {}
