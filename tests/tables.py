"""Many cases of a pure function in one test: `table` takes what `parametrize` takes, without what
each test of its own costs (some 9 ms, more than most cases themselves).

For cases that share nothing: a test with a table gets no fixtures and no case is skipped or marked.
Every case is run; those that fail are named together, and each with its own traceback.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import pytest

Test = Callable[..., None]
FAILURES = (Exception, pytest.fail.Exception)


def table(
    names: str | Sequence[str],
    cases: Iterable[Any],
    *,
    ids: Sequence[str] | Callable[[Any], object] | None = None,
) -> Callable[[Test], Test]:
    """Run the test for each case: its values by `names`. Tables may be stacked."""
    columns = tuple(n.strip() for n in names.split(",")) if isinstance(names, str) else tuple(names)
    rows = [_row(case, columns) for case in cases]
    named = [_name(number, row, given, ids) for number, (row, given) in enumerate(rows)]

    def decorate(test: Test) -> Test:
        @wraps(test)
        def of_all(**more: Any) -> None:
            failures = [
                failure
                for name, (row, _) in zip(named, rows, strict=True)
                if (failure := _failure(test, name, {**more, **row})) is not None
            ]
            if failures:
                told = "; ".join(error.__notes__[-1] for error in failures)
                raise BaseExceptionGroup(f"{len(failures)} of {len(rows)}: {told}", failures)

        of_all.__signature__ = _without(test, columns)  # type: ignore[attr-defined]
        return of_all

    return decorate


def _row(case: Any, columns: tuple[str, ...]) -> tuple[dict[str, Any], str | None]:
    """(values by name, the name the case brings along)."""
    given = None
    if isinstance(case, type(pytest.param())):
        if case.marks:
            raise TypeError("a case of a table has no marks: parametrize the test instead")
        given, case = case.id, case.values if len(columns) > 1 else case.values[0]
    values = tuple(case) if len(columns) > 1 else (case,)
    return dict(zip(columns, values, strict=True)), given


def _name(number: int, row: dict[str, Any], given: str | None, ids: Any) -> str:
    if given is not None:
        return f"case {given}"
    if callable(ids):
        return "case " + "-".join(str(ids(value)) for value in row.values())
    return f"case {ids[number]}" if ids else f"case {number}: {row!r:.200}"


def _failure(test: Test, name: str, values: dict[str, Any]) -> BaseException | None:
    try:
        test(**values)
    except FAILURES as error:
        error.add_note(name)
        return error
    except pytest.skip.Exception as skipped:
        raise TypeError(f"{name}: a case of a table cannot be skipped") from skipped
    return None


def _without(test: Test, columns: tuple[str, ...]) -> inspect.Signature:
    """What the test asks for beside the columns; pytest looks here for fixtures."""
    signature = inspect.signature(test)
    left = [p for name, p in signature.parameters.items() if name not in columns]
    if len(left) != len(signature.parameters) - len(columns):
        raise TypeError(f"{test.__name__} does not take {', '.join(columns)}")
    return signature.replace(parameters=left)
