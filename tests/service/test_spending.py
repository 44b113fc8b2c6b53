"""Money: no reservation, no call; nothing above a budget; nothing lost in a crash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from cihealing import service, store
from cihealing.domain.policy import AIPolicy, Policy
from cihealing.domain.run import RunDiagnosis, RunFailure
from cihealing.domain.run import RunState as State
from cihealing.domain.values import FailureClass
from cihealing.models import Outbox, Run, Spend
from cihealing.service import OverBudget, spending
from cihealing.store import rebuilding
from tests.fakes.models import FakeModel
from tests.fakes.service import Bench, failed, receive

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def run(
    *, repository: str = "acme/shop", failure_class: FailureClass = FailureClass.UNKNOWN
) -> State:
    failure = RunFailure(repository=repository, branch="main", error_hash="v2:1")
    return State(
        id=uuid4(), version=1, failure=failure, diagnosis=RunDiagnosis(failure_class=failure_class)
    )


def ai(**fields: object) -> Policy:
    return Policy(
        ai=AIPolicy(
            **{
                "run_usd": 100,
                "repository_usd": 100,
                "daily_usd": 100,
                "attempts_per_day": 1000,
                **fields,
            }
        )
    )  # type: ignore[arg-type]


def reserve(
    policy: Policy,
    usd: float = 1.0,
    *,
    at: datetime = NOW,
    of: State | None = None,
    number: int = 1,
) -> spending.Hold:
    return service.reserve(
        of or run(), number=number, provider="anthropic", model="m", usd=usd, policy=policy, now=at
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("limits", "scope"),
    [
        ({"run_usd": 2}, "run"),
        ({"repository_usd": 2}, "repository"),
        ({"daily_usd": 2}, "day"),
        ({"attempts_per_day": 2}, "failure"),
    ],
)
def test_each_budget_refuses_what_is_above_it(limits: dict[str, float], scope: str) -> None:
    same = run()
    reserve(ai(**limits), of=same)
    reserve(ai(**limits), of=same)
    with pytest.raises(OverBudget) as refused:
        reserve(ai(**limits), of=same)
    assert refused.value.scope == scope
    assert Spend.objects.count() == 2


@pytest.mark.django_db
def test_a_new_day_has_a_budget_of_its_own() -> None:
    reserve(ai(daily_usd=1))
    reserve(ai(daily_usd=1), at=NOW + timedelta(days=1))
    assert Spend.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    "limits", [{"repository_usd": 2}, {"daily_usd": 2}, {"attempts_per_day": 2}]
)
def test_a_clock_that_was_set_back_gives_no_budget_twice(limits: dict[str, float]) -> None:
    same = run()
    for _ in range(2):
        reserve(ai(**limits), of=same)
    with pytest.raises(OverBudget):
        reserve(ai(**limits), of=same, at=NOW - timedelta(days=2))


@pytest.mark.django_db
def test_what_a_call_cost_less_than_was_set_aside_is_free_again() -> None:
    hold = reserve(ai(daily_usd=1))
    service.settle(hold, usd=0.25, how="answered")
    reserve(ai(daily_usd=1), 0.75)
    with pytest.raises(OverBudget):
        reserve(ai(daily_usd=1), 0.01)


@pytest.mark.django_db
def test_a_call_that_never_came_about_costs_nothing_and_counts_for_nothing() -> None:
    same = run()
    service.settle(reserve(ai(attempts_per_day=1), of=same), usd=0.0, how="unanswered")
    reserve(ai(attempts_per_day=1), of=same)


@pytest.mark.django_db
def test_what_is_settled_stays_settled() -> None:
    hold = reserve(ai())
    service.settle(hold, usd=0.5, how="answered")
    service.settle(hold, usd=9.0, how="swept")
    assert Spend.objects.get().usd == 0.5


@pytest.mark.django_db
def test_the_sweep_settles_in_full_what_a_crash_left_open() -> None:
    reserve(ai(), 0.7)
    assert service.sweep_spending(now=NOW + timedelta(minutes=5)) == 0
    assert service.sweep_spending(now=NOW + timedelta(minutes=20)) == 1
    row = Spend.objects.get()
    assert (row.usd, row.settled) == (0.7, "swept")
    assert service.sweep_spending(now=NOW + timedelta(minutes=20)) == 0


@pytest.mark.django_db
def test_people_hear_of_a_used_up_day_once() -> None:
    for _ in range(5):
        with pytest.raises(OverBudget):
            reserve(ai(daily_usd=0.5))
    assert Outbox.objects.filter(name="tell_budget").count() == 1


@pytest.mark.django_db
def test_a_failure_of_the_machines_is_explained_once_for_all_repositories() -> None:
    outage = FailureClass.INFRA
    reserve(ai(), of=run(failure_class=outage), number=0)
    with pytest.raises(OverBudget, match="already"):
        reserve(ai(), of=run(repository="other/app", failure_class=outage), number=0)
    reserve(ai(), of=run(repository="other/app", failure_class=FailureClass.PRODUCT), number=0)


@pytest.mark.django_db
def test_the_rows_of_money_are_what_its_facts_say() -> None:
    service.settle(reserve(ai()), usd=0.25, how="answered")
    reserve(ai(), 0.5)
    before = list(Spend.objects.order_by("id").values())
    rebuilding.rebuild()
    assert list(Spend.objects.order_by("id").values()) == before
    assert list(store.verify()) == []


@pytest.mark.django_db
def test_a_run_without_money_says_so_and_goes_to_a_person(asking: Callable[..., Bench]) -> None:
    model = FakeModel(usd=5.0)
    bench = asking(model, ai={"run_usd": 1.0})
    receive(failed(), key="1")
    bench.drain()
    state = service.get(Run.objects.get().id)
    assert state.status == "escalated"
    assert not model.asked
    assert any("budget is used up" in note for note in state.plan.notes)
