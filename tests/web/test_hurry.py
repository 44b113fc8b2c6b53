"""A forge that tells of our own change is not believed: it only makes us look now."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import RequestFactory

from cihealing.models import Outbox, Run
from cihealing.web import ingest
from tests.domain.world import ANN, COMMIT
from tests.fakes.forge import OpenForge
from tests.fakes.service import Bench, failed, receive
from tests.providers.ci.payloads import hub

pytestmark = pytest.mark.django_db
SECRET = "the-secret-of-github"


@pytest.fixture
def run(asking: Callable[..., Bench], settings: Any) -> Run:
    from cihealing import service

    forge = OpenForge({"main": COMMIT})
    bench = asking(forge=forge)
    bench.trees.heads = forge.heads
    settings.CI_HEALING = {**settings.CI_HEALING, "WEBHOOK_SECRETS": {"": SECRET}}
    receive(failed(), key="1")
    bench.drain()
    row = Run.objects.get()
    service.perform(
        row.id, "approve", act="publish", version=row.version, by=ANN, tools=bench.tools
    )
    bench.drain()
    return Run.objects.get()


def told(payload: Any, *, secret: str = SECRET) -> int:
    body = json.dumps(payload).encode()
    headers = {
        "x-hub-signature-256": hub(body, secret=secret),
        "x-github-event": "pull_request",
        "x-github-delivery": "d1",
    }
    request = RequestFactory().post(
        "/webhook", data=body, content_type="application/json", headers=headers
    )
    return ingest.webhook(request, provider="github").status_code


def due() -> bool:
    return Outbox.objects.get(name="watch_change", state="pending").not_before <= datetime.now(UTC)


def pull(run: Run, **fields: Any) -> dict[str, Any]:
    return {
        "action": "closed",
        "repository": {"full_name": "acme/shop"},
        "pull_request": {"head": {"ref": f"cihealing/{run.id}"}},
        **fields,
    }


def test_a_delivery_about_our_change_makes_us_look_now(run: Run) -> None:
    assert not due()
    assert told(pull(run)) == 200
    assert due()


@pytest.mark.parametrize(
    "fields",
    [
        {"repository": {"full_name": "evil/shop"}},
        {"repository": 7},
        {"pull_request": {"head": {"ref": "feature"}}},
        {"pull_request": []},
        {"pull_request": {"head": {"ref": "cihealing/not-a-run"}}},
        {"pull_request": {"head": None}},
    ],
)
def test_anything_else_changes_nothing(run: Run, fields: dict[str, Any]) -> None:
    assert told(pull(run, **fields)) == 200
    assert not due()


def test_what_is_not_signed_changes_nothing(run: Run) -> None:
    assert told(pull(run), secret="another") == 401
    assert not due()
