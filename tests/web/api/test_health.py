from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from cihealing import ending, models
from cihealing.domain import events as e
from cihealing.read import figures
from cihealing.web.api import health
from tests import factories as make
from tests.web.api.test_runs import problem


@pytest.fixture(autouse=True)
def _looks_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What was found for another test is not asked, and a busy machine may take its time."""
    monkeypatch.setattr(health, "PATIENCE", 60.0)
    health.probe.forget()
    yield
    health.probe.forget()


def test_healthz_asks_nothing_of_the_database(anyone: Client) -> None:
    assert anyone.get("/healthz").json() == {"status": "ok"}


def test_readyz_is_ready_when_deliveries_can_be_taken(anyone: Client, committed: None) -> None:
    body = anyone.get("/readyz").json()
    checks = {
        "storage": True,
        "database": True,
        "migrations": True,
        "workers": True,
        "staying": True,
    }
    assert body == {"status": "ok", "checks": checks}


def overdue(minutes: int) -> None:
    models.Outbox.objects.create(
        id=uuid4(),
        stream=uuid4(),
        version=1,
        ordinal=0,
        name="prove",
        payload="{}",
        created_at=make.NOW,
        state="pending",
        not_before=timezone.now() - timedelta(minutes=minutes),
    )


@pytest.mark.parametrize(("minutes", "status"), [(9, 200), (11, 503)])
def test_readyz_notices_that_no_worker_takes_what_is_due(
    anyone: Client, committed: None, minutes: int, status: int
) -> None:
    overdue(minutes)
    assert anyone.get("/readyz").status_code == status


def test_readyz_says_which_part_is_missing(
    anyone: Client, committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **more: Any) -> None:
        raise DatabaseError("gone, and the password is hunter2")

    monkeypatch.setattr(figures, "oldest_due_seconds", broken)
    body = problem(anyone.get("/readyz"), 503, "not-ready")
    assert body["detail"] == "missing: workers"
    assert "hunter2" not in str(body)


@pytest.mark.django_db
def test_readyz_sends_traffic_elsewhere_while_the_process_ends(anyone: Client) -> None:
    ending.stopping.set()
    try:
        assert problem(anyone.get("/readyz"), 503, "not-ready")["checks"]["staying"] is False
    finally:
        ending.stopping.clear()


@pytest.mark.django_db
def test_a_missing_migration_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = health.Migrated()
    monkeypatch.setattr(
        health.MigrationExecutor, "migration_plan", lambda self, targets: [("cihealing", "0009")]
    )
    assert looked() is False
    monkeypatch.undo()
    assert looked() is True


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, 200),
        ({"REMOTE_ADDR": "10.0.0.9"}, 401),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, 401),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=203.0.113.9"}, 401),
        ({"REMOTE_ADDR": "10.0.0.9", "HTTP_AUTHORIZATION": "Bearer a-metrics-token"}, 200),
        (
            {
                "REMOTE_ADDR": "10.0.0.9",
                "HTTP_AUTHORIZATION": "Bearer an-api-token-for-these-tests",
            },
            200,
        ),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_AUTHORIZATION": "Bearer wrong"}, 401),
        ({"REMOTE_ADDR": "10.0.0.9", "HTTP_AUTHORIZATION": "Bearer "}, 401),
    ],
)
def test_metrics_need_a_token_or_an_allowed_address(
    anyone: Client, extra: dict[str, str], status: int
) -> None:
    assert anyone.get("/metrics", **extra).status_code == status


@pytest.mark.django_db
def test_an_unset_metrics_token_lets_nobody_in(anyone: Client, settings: Any) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "METRICS_TOKEN": "", "METRICS_ALLOW": []}
    assert anyone.get("/metrics", HTTP_AUTHORIZATION="Bearer ").status_code == 401


@pytest.mark.django_db
def test_metrics_count_what_is_there(anyone: Client) -> None:
    make.make_run(make.proven())
    make.make_delivery(uuid4(), judged=[])
    run_id = make.make_run([e.RunStarted(), e.RunResolved(how="flake")], commit="d" * 40)
    overdue(1)
    lines = anyone.get("/metrics").content.decode().splitlines()
    for line in (
        'cihealing_runs{status="fixed"} 1.0',
        'cihealing_runs{status="resolved"} 1.0',
        'cihealing_runs{status="queued"} 0.0',
        'cihealing_runs_resolved{resolution="flake"} 1.0',
        "cihealing_runs_proven 1.0",
        "cihealing_effects_due 1.0",
        "cihealing_deliveries_total 1.0",
        "cihealing_deliveries_reading 1.0",
        "cihealing_seconds_to_fixed_median 660.0",
    ):
        assert line in lines
    assert str(run_id) not in str(lines)
