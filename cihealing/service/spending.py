"""Money for models: set aside before a call is made, settled after it, never more than the budgets
allow.

Every call is a small stream of two facts; what a budget has left is a sum over their rows, taken
under a lock that all reservations of a day share. A reservation that nobody settled counts in full,
and is settled so by the sweep.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Sum

from cihealing import store
from cihealing.domain import events as e
from cihealing.domain.effects import TellBudget
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import NAMESPACE, SERVICE, FailureClass
from cihealing.failpoints import failpoint
from cihealing.models import Spend
from cihealing.service import outbox
from cihealing.service.transactions import one_at_a_time, write
from cihealing.store import small

logger = logging.getLogger(__name__)

STALE = timedelta(minutes=15)
"""After which an open reservation is nobody's any more: a call ends within 10 minutes."""
UNPAID = "unanswered"


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Money set aside for one call."""

    id: UUID
    usd: float


class OverBudget(Exception):
    """No call may be made. `scope` is `run`, `repository`, `day` or `failure`; the message says
    what is used up and how much there was.
    """

    def __init__(self, scope: str, message: str) -> None:
        super().__init__(message)
        self.scope = scope


@dataclass(frozen=True, kw_only=True)
class Budget:
    scope: str
    limit: float
    spent: float
    told: str


def reserve(
    run: RunState,
    *,
    number: int,
    provider: str,
    model: str,
    usd: float,
    policy: Policy,
    now: datetime | None = None,
) -> Hold:
    """Set `usd` aside for one call for attempt `number` (0: an explanation). Raises OverBudget:
    then no call may be made.
    """
    moment = now or datetime.now(UTC)
    hold = write(lambda: _reserve(run, number, provider, model, usd, policy, moment))
    failpoint("spending.after_reserve")
    if isinstance(hold, OverBudget):
        raise hold
    return hold


def _reserve(
    run: RunState, number: int, provider: str, model: str, usd: float, policy: Policy, now: datetime
) -> Hold | OverBudget:
    day = now.date().isoformat()
    one_at_a_time("spend", day)
    refused = _refused(run, number, usd, policy, day, now)
    if refused:
        return refused
    reserved = e.SpendReserved(
        run=run.id,
        repository=run.failure.repository,
        branch=run.failure.branch,
        error_hash=run.failure.error_hash,
        number=number,
        provider=provider,
        model=model,
        usd=usd,
        day=day,
    )
    hold = Hold(id=uuid4(), usd=usd)
    _append(hold.id, reserved, now, version=0)
    return hold


def _refused(
    run: RunState, number: int, usd: float, policy: Policy, day: str, now: datetime
) -> OverBudget | None:
    if _calls(run, day) >= policy.ai.attempts_per_day:
        return OverBudget(
            "failure",
            f"a model was asked {policy.ai.attempts_per_day} times today for this failure on"
            f" {run.failure.branch}",
        )
    if number == 0 and _explained(run, policy, now):
        return OverBudget(
            "failure",
            "a model was asked about this failure of the machines already, for another run",
        )
    for budget in _budgets(run, policy, day):
        if budget.spent + usd > budget.limit:
            _tell_once(budget, run, day, now)
            return OverBudget(
                budget.scope,
                f"{budget.told}: {budget.spent:.2f} of {budget.limit:.2f} USD are used, a call may"
                f" cost {usd:.2f}",
            )
    return None


def _calls(run: RunState, day: str) -> int:
    """Calls today for this failure on this branch; those that came to nothing do not count."""
    mine = Spend.objects.filter(
        repository=run.failure.repository,
        branch=run.failure.branch,
        error_hash=run.failure.error_hash,
        day__gte=day,
    )
    return mine.exclude(settled=UNPAID).count()


def _explained(run: RunState, policy: Policy, now: datetime) -> bool:
    """One explanation for all who meet the same failure of the machines, whichever repository they
    are of.
    """
    if not run.failure.strong or run.diagnosis.failure_class not in (
        FailureClass.INFRA,
        FailureClass.ENV,
    ):
        return False
    since = now - timedelta(hours=policy.cluster_hours)
    return (
        Spend.objects.filter(error_hash=run.failure.error_hash, number=0, at__gte=since)
        .exclude(settled=UNPAID)
        .exists()
    )


def _budgets(run: RunState, policy: Policy, day: str) -> list[Budget]:
    # A day that is still to come was spent on before the clock was set back: that money is not
    # there a second time.
    today = Spend.objects.filter(day__gte=day)
    daily = min(policy.ai.daily_usd, float(settings.CI_HEALING["DAILY_COST_LIMIT_USD"]))
    return [
        Budget(
            scope="run",
            limit=policy.ai.run_usd,
            spent=_sum(Spend.objects.filter(run_id=run.id)),
            told="the run's budget is used up",
        ),
        Budget(
            scope="repository",
            limit=policy.ai.repository_usd,
            spent=_sum(today.filter(repository=run.failure.repository)),
            told=f"today's budget of {run.failure.repository} is used up",
        ),
        Budget(scope="day", limit=daily, spent=_sum(today), told="today's budget is used up"),
    ]


def _sum(rows: object) -> float:
    return float(rows.aggregate(all=Sum("usd"))["all"] or 0)  # type: ignore[attr-defined]


def _tell_once(budget: Budget, run: RunState, day: str, now: datetime) -> None:
    """People hear of a used-up budget of a day once; a run's own is told with the run."""
    if budget.scope == "run":
        return
    key = run.failure.repository if budget.scope == "repository" else ""
    stream = uuid5(NAMESPACE, f"budget\n{day}\n{budget.scope}\n{key}")
    fact = e.BudgetExhausted(scope=budget.scope, key=key, day=day, limit_usd=budget.limit)
    if store.load(stream):
        return
    store.append(
        stream,
        [e.Envelope(event=fact, at=now, actor=SERVICE, source="spending")],
        expected_version=0,
    )
    told = TellBudget(scope=budget.scope, key=key, day=day, limit_usd=budget.limit)
    outbox.enqueue(stream, [(1, told)], run_id=None, now=now)


def settle(hold: Hold, *, usd: float, how: str, now: datetime | None = None) -> None:
    """Say what the call cost. What was settled before stays as it is."""
    failpoint("spending.before_settle")
    moment = now or datetime.now(UTC)
    write(lambda: _settle(hold.id, usd, how, moment))


def _settle(hold: UUID, usd: float, how: str, now: datetime) -> None:
    if Spend.objects.filter(id=hold, settled="").exists():
        _append(hold, e.SpendSettled(usd=max(0.0, usd), how=how), now, version=1)


def sweep(*, now: datetime | None = None) -> int:
    """Settle, in full, what was reserved and never settled: the call may have been made. Returns
    how many.
    """
    moment = now or datetime.now(UTC)
    stale = list(
        Spend.objects.filter(settled="", at__lt=moment - STALE).values_list("id", "reserved_usd")
    )
    for hold, usd in stale:
        try:
            settle(Hold(id=hold, usd=usd), usd=usd, how="swept", now=moment)
        except (store.StreamMoved, IntegrityError) as error:
            logger.warning("reservation %s is being settled elsewhere: %s", hold, error)
    return len(stale)


def _append(hold: UUID, event: e.SpendEvent, now: datetime, *, version: int) -> None:
    envelope = e.Envelope(event=event, at=now, actor=SERVICE, source="spending")
    with transaction.atomic():
        store.append(hold, [envelope], expected_version=version)
        small.project_small(hold, envelope)
