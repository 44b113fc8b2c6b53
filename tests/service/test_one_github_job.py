"""One red GitHub job arrives as four events, in any order, before or after the wait for its jobs is
over: one run.
"""

from __future__ import annotations

from itertools import permutations

import pytest

from cihealing.models import Delivery, Execution, Run
from cihealing.providers.github import hook as github
from tests.fakes.service import Bench, receive
from tests.providers.ci.payloads import check_run, check_suite, raw, workflow_job, workflow_run

pytestmark = pytest.mark.django_db

MAKERS = {
    "workflow_job": workflow_job,
    "check_run": check_run,
    "workflow_run": workflow_run,
    "check_suite": check_suite,
}


def arrive(event: str) -> None:
    payload = MAKERS[event]()
    receive(*github.parse(raw(payload, headers={"x-github-event": event}), payload), key=event)


@pytest.mark.parametrize(
    "waited", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 4))]
)
@pytest.mark.parametrize("order", list(permutations(MAKERS)), ids="-".join)
def test_it_is_one_run(order: tuple[str, ...], waited: int) -> None:
    """`waited`: after how many events the wait is over."""
    bench = Bench(fixers=())
    for number, event in enumerate(order, start=1):
        arrive(event)
        bench.drain()
        if number == waited:
            bench.ring("expand_result")
            bench.drain()
    bench.ring("expand_result")
    bench.drain()
    assert Run.objects.count() == 1
    assert set(Delivery.objects.values_list("status", flat=True)) == {"done"}
    assert Execution.objects.filter(coarse=False).count() == 1
