"""Many senders at once: one failure, one run, and duplicates move nothing."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.fakes.service import LOG
from tests.integration.app import App, own_database, running

pytestmark = pytest.mark.database
RUNS = "/api/v1/ci-healing/runs"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Effects are off: only deliveries move a run here."""
    data = tmp_path_factory.mktemp("data")
    with (
        own_database(
            os.environ.get("DATABASE_URL", ""), f"cihealing_parallel_{os.getpid()}"
        ) as database,
        running(data, database=database, CI_HEALING_ENABLED="false") as app,
    ):
        yield app


def body(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "provider": "generic",
        "repository": f"acme/shop-{number}",
        "branch": "main",
        "commitSha": f"{number:040x}",
        "job": "test",
        "pipelineUrl": "",
        "errorType": "",
        "errorLog": LOG,
        "conclusion": "failure",
        **fields,
    }


def post_all(app: App, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    with (
        httpx.Client(limits=httpx.Limits(max_connections=50)) as client,
        ThreadPoolExecutor(50) as pool,
    ):
        return list(pool.map(lambda one: app.post(one, client=client), bodies))


def only_run(app: App, number: int) -> dict[str, Any]:
    found = app.get(f"{RUNS}?repository=acme/shop-{number}")["data"]
    assert len(found) == 1
    detail: dict[str, Any] = app.get(f"{RUNS}/{found[0]['id']}")
    return detail


@pytest.mark.parametrize(
    "number", [n if n <= 4 else pytest.param(n, marks=pytest.mark.slow) for n in range(1, 21)]
)
def test_fifty_parallel_identical_deliveries_are_one_run_at_its_first_version(
    app: App, number: int
) -> None:
    answers = post_all(
        app, [body(number, deliveryId=f"d-{number}", executionId=f"e-{number}")] * 50
    )
    assert {a.status_code for a in answers} == {202}
    assert len({a.json()["runId"] for a in answers}) == 1
    assert sum(not a.json()["deduplicated"] for a in answers) == 1
    run = only_run(app, number)
    assert run["version"] == 1
    assert len(run["executions"]) == 1


def test_fifty_parallel_deliveries_of_fifty_executions_of_one_failure_are_one_run(app: App) -> None:
    answers = post_all(
        app, [body(100, deliveryId=f"p-{i}", executionId=f"p-{i}") for i in range(50)]
    )
    assert {a.status_code for a in answers} == {202}
    run = only_run(app, 100)
    assert (run["version"], len(run["executions"])) == (1, 50)


def test_deliveries_out_of_order_and_repeated_end_in_one_open_run_for_the_newest_commit(
    app: App,
) -> None:
    dice = random.Random(7)
    times = [f"2026-01-01T0{hour}:00:00Z" for hour in range(5)]
    bodies = [
        body(
            200,
            commitSha=f"{hour:x}" * 40,
            deliveryId=f"o-{hour}",
            executionId=f"o-{hour}",
            finishedAt=when,
        )
        for hour, when in enumerate(times, start=1)
    ] * 4
    dice.shuffle(bodies)
    assert {a.status_code for a in post_all(app, bodies)} == {202}
    found = app.get(f"{RUNS}?repository=acme/shop-200&pageSize=50")["data"]
    assert len(found) == 5
    assert [r["commitSha"] for r in found if r["status"] == "queued"] == ["5" * 40]
