"""A table runs every case and names each one that fails."""

from __future__ import annotations

import inspect

import pytest

from tests.tables import table


def test_every_case_is_run_and_those_that_fail_are_named() -> None:
    ran = list[int]()

    @table("number", [1, pytest.param(2, id="two"), 3])
    def odd(number: int) -> None:
        ran.append(number)
        assert number % 2

    with pytest.raises(BaseExceptionGroup) as failed:
        odd()
    assert ran == [1, 2, 3]
    assert failed.value.message == "1 of 3: case two"
    assert [error.__notes__ for error in failed.value.exceptions] == [["case two"]]


@pytest.mark.parametrize(
    ("ids", "name"),
    [
        (None, "case 0: {'a': 1, 'b': 2}"),
        (["first"], "case first"),
        (lambda v: v * 10, "case 10-20"),
    ],
)
def test_a_case_has_the_name_it_is_given(ids: object, name: str) -> None:
    @table(("a", "b"), [(1, 2)], ids=ids)  # type: ignore[arg-type]
    def fails(a: int, b: int) -> None:
        pytest.fail("always")

    with pytest.raises(BaseExceptionGroup, match="1 of 1") as failed:
        fails()
    assert failed.value.exceptions[0].__notes__ == [name]


def test_tables_can_be_stacked() -> None:
    ran = list[tuple[str, int]]()

    @table("letter", "ab")
    @table("number", [1, 2])
    def noted(letter: str, number: int) -> None:
        ran.append((letter, number))

    noted()
    assert ran == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert not inspect.signature(noted).parameters


def test_what_would_be_lost_in_a_table_is_refused() -> None:
    @table("number", [1, 2])
    def skips(number: int) -> None:
        pytest.skip("not here")

    with pytest.raises(TypeError, match="cannot be skipped"):
        skips()
    with pytest.raises(TypeError, match="no marks"):
        table("number", [pytest.param(1, marks=pytest.mark.slow)])
    with pytest.raises(TypeError, match="does not take other"):
        table("other", [1])(lambda number: None)
