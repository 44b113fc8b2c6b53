"""What a delivery asks of the database: statements are counted, so that none comes back unseen; and
the rows they write are those that the facts say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cihealing.domain.values import ExecutionRef, Passed, Result
from cihealing.models import Delivery, Execution, Outbox, Run
from cihealing.store import rebuilding
from tests.fakes.service import OTHER_LOG, failed, passed, receive

pytestmark = pytest.mark.django_db
MOST = 10
"""The transaction's own begin among them."""


def statements(*results: Result, key: str) -> list[str]:
    with CaptureQueriesContext(connection) as asked:
        receive(*results, key=key)
    return [q["sql"] for q in asked if "SAVEPOINT" not in q["sql"]]


def other_commit() -> Result:
    return failed(2, commit="2" * 40, branch="other")


CASES: dict[str, tuple[Callable[[], Result], int]] = {
    "a first failure": (other_commit, 8),
    "the same failure of another execution": (lambda: failed(2), 6),
    "the same execution again": (lambda: failed(1), 5),
    "a green result": (lambda: passed(2, commit="2" * 40), 5),
    "a green result with its log": (lambda: passed(2, commit="2" * 40, log="all is well\n"), 6),
    "a failure whose log is still to be had": (lambda: failed(2, log=None), 7),
}


@pytest.mark.parametrize("name", CASES)
def test_a_delivery_takes_few_statements(name: str) -> None:
    receive(failed(1), key="first")
    result, most = CASES[name]
    asked = statements(result(), key="second")
    on_postgresql = connection.vendor == "postgresql"
    assert len(asked) <= min(MOST - 1, most + on_postgresql), "\n".join(asked)


def test_the_same_delivery_again_takes_one() -> None:
    receive(failed(1), key="first")
    assert len(statements(failed(1), key="first")) == 1


def test_nothing_that_was_written_is_read_back() -> None:
    asked = statements(failed(1), key="first")
    written = next(i for i, sql in enumerate(asked) if sql.startswith("INSERT"))
    assert [sql for sql in asked[written:] if not sql.startswith("INSERT")] == []


def rows(*models: Any) -> list[list[dict[str, Any]]]:
    found = [list(model.objects.order_by("id").values()) for model in models]
    for row in found[-1]:
        row.pop("id")  # the database's own number
    return found


def test_the_rows_are_those_that_the_projections_write() -> None:
    """Red, its duplicate, green, another failure, an execution told of twice, a result without a
    log.
    """
    receive(failed(1), key="1")
    receive(failed(2), key="2")
    receive(passed(3, log="all is well\n"), key="3")
    receive(failed(4, log=OTHER_LOG), failed(5, commit="5" * 40, branch="b"), key="4")
    receive(failed(1), failed(6, log=None), key="5")
    before = rows(Delivery, Run, Execution)
    assert [len(table) for table in before] == [5, 3, 6]
    rebuilding.rebuild()
    after = rows(Delivery, Run, Execution)
    for table in (before, after):
        table[2].sort(key=lambda row: row["job_run_id"])
    assert after == before


def test_two_results_of_one_delivery_that_are_one_failure_are_one_run() -> None:
    first, second = receive(failed(1), failed(2), key="1").outcomes
    assert (first.run_id, first.deduplicated, second.deduplicated) == (second.run_id, False, True)
    assert Run.objects.get().version == 1
    assert Outbox.objects.count() == 1


def test_an_execution_that_another_delivery_told_of_stays_that_ones() -> None:
    receive(failed(1), key="1")
    owner = Execution.objects.get().delivery_id
    green = Passed(
        execution=ExecutionRef(provider="generic", host="", job_run_id="red-1"),
        repository="acme/shop",
        branch="main",
        commit="9" * 40,
        job="test",
    )
    receive(green, key="2")
    assert (Execution.objects.get().delivery_id, Execution.objects.get().outcome) == (
        owner,
        "failed",
    )
