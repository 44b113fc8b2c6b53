"""One outage met by many: one diagnosis, one message, and every run says whose failure it is part
of.

`STORM=10000 make test ARGS="-m slow --timeout 1500 tests/service/test_storm.py"` is the storm at
its full size: some five minutes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from cihealing import service, store
from cihealing.domain.values import Failed, Result
from cihealing.models import ClusterClaim, Run
from cihealing.store import rebuilding
from tests.domain.world import ANN
from tests.fakes.chat import FakeChat
from tests.fakes.models import FakeModel, answered
from tests.fakes.service import Bench, failed, passed
from tests.fakes.service import receive as receive_at

pytestmark = pytest.mark.django_db
Asking = Callable[..., Bench]
OUTAGE = """\
+ pip install -r requirements.txt
ERROR: Could not install packages due to an OSError: \
HTTPSConnectionPool(host='mirror.example.org', port=443): Max retries exceeded
with url: /simple/attrs/ \
(Caused by NewConnectionError('Failed to \
establish a new connection: [Errno 111] Connection refused'))
##[error]Process completed with exit code 1.
"""


def outage(number: int, *, repositories: int = 200, **fields: object) -> Failed:
    facts = {
        "repository": f"org/app-{number % repositories}",
        "commit": f"{number:040x}",
        "branch": f"b{number % 7}",
        "log": OUTAGE,
    }
    return failed(number, **{**facts, **fields})


def receive(result: Result, *, key: str) -> None:
    receive_at(result, key=key, now=datetime.now(UTC))


@pytest.fixture
def storm(asking: Asking) -> Bench:
    bench = asking(
        FakeModel([answered(known=True, failure_class="infra", diff="")]), auto_rerun=False
    )
    bench.use(chats=(FakeChat(),))
    return bench


@pytest.mark.parametrize(
    "number", [40, pytest.param(int(os.environ.get("STORM", "1000")), marks=pytest.mark.slow)]
)
def test_an_outage_over_many_repositories_is_one_call_and_one_message_and_every_run_is_explained(
    storm: Bench, number: int
) -> None:
    for n in range(number):
        receive(outage(n, repositories=number * 4 // 5), key=str(n))
        if n % 20 == 0:
            storm.drain(10_000)
    storm.drain(1_000_000)
    runs = list(Run.objects.all())
    assert len(runs) == number
    assert len(storm.tools.model.asked) == 1  # type: ignore[union-attr]
    (chat,) = storm.tools.chats
    assert len(chat.posted) == 1  # type: ignore[attr-defined]
    (claim,) = ClusterClaim.objects.all()
    open_ones = [run for run in runs if run.status == "escalated"]
    assert {run.cluster_leader for run in open_ones if run.id != claim.run_id} == {claim.run_id}
    assert {run.status for run in runs} <= {"escalated", "aborted"}
    assert all(run.report for run in open_ones)


def test_no_text_of_one_repository_stands_in_the_runs_of_another(storm: Bench) -> None:
    receive(outage(1, job="secret-job-name"), key="1")
    storm.drain()
    receive(outage(2), key="2")
    storm.drain()
    member = Run.objects.get(repository="org/app-2")
    assert member.cluster_leader
    assert "secret-job-name" not in member.state
    assert "org/app-1" not in member.state


def test_a_member_is_resolved_when_its_own_job_is_green(storm: Bench) -> None:
    for n in (1, 2):
        receive(outage(n), key=str(n))
        storm.drain()
    receive(passed(2, repository="org/app-2", branch="b2", commit="f" * 40), key="g")
    assert Run.objects.get(repository="org/app-2").resolution == "green_later"
    assert Run.objects.get(repository="org/app-1").status == "escalated"


def test_after_the_leaders_end_the_next_one_stands_for_itself(storm: Bench) -> None:
    receive(outage(1), key="1")
    storm.drain()
    service.perform(Run.objects.get().id, "abort", by=ANN, tools=storm.tools)
    receive(outage(2), key="2")
    storm.drain()
    assert ClusterClaim.objects.get().run.repository == "org/app-2"
    assert len(storm.tools.model.asked) == 1, "one explanation a day for one outage, whoever leads"  # type: ignore[union-attr]


def test_after_a_day_the_next_one_stands_for_those_who_come(storm: Bench) -> None:
    receive(outage(1), key="1")
    storm.drain()
    ClusterClaim.objects.update(opened_at=datetime.now(UTC) - timedelta(hours=25))
    receive(outage(2), key="2")
    storm.drain()
    assert ClusterClaim.objects.get().run.repository == "org/app-2"
    assert not service.get(Run.objects.get(repository="org/app-1").id).cluster.leads


def test_a_failure_of_the_code_gathers_nobody(storm: Bench) -> None:
    for n in (1, 2):
        receive(failed(n, repository=f"org/app-{n}", commit=str(n) * 40), key=str(n))
        storm.drain()
    assert not ClusterClaim.objects.exists()


def test_rebuilt_clusters_are_the_same(storm: Bench) -> None:
    for n in range(5):
        receive(outage(n), key=str(n))
        storm.drain()
    before = (
        list(Run.objects.order_by("id").values()),
        list(ClusterClaim.objects.values("run_id", "error_hash")),
    )
    rebuilding.rebuild()
    assert (
        list(Run.objects.order_by("id").values()),
        list(ClusterClaim.objects.values("run_id", "error_hash")),
    ) == before
    assert list(store.verify()) == []
