"""How often one may come: by address and by hook, before anything of a body is looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from cihealing import policy_file, service
from cihealing.domain.policy import Policy
from cihealing.providers.shared import wire as _wire
from cihealing.web import ingest, rates
from tests.providers.ci import payloads
from tests.providers.ci.payloads import SECRET, hub


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_of_a_minute_passes_and_then_as_many_as_time_brings() -> None:
    clock = Clock()
    rate = rates.Rate(clock)
    assert [rate.wait("a", per_minute=3) for _ in range(5)] == [0, 0, 0, 20, 20]
    clock.now = 10.0
    assert rate.wait("a", per_minute=3) == 10
    clock.now = 20.0
    assert [rate.wait("a", per_minute=3), rate.wait("a", per_minute=3)] == [0, 20]
    assert rate.wait("b", per_minute=3) == 0
    clock.now = 10_000.0
    assert [rate.wait("a", per_minute=3) for _ in range(4)] == [0, 0, 0, 20]


def test_no_more_buckets_are_kept_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST", 10)
    rate = rates.Rate(Clock())
    for number in range(50):
        rate.wait(str(number), per_minute=1)
    assert len(rate.buckets) == 10


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(policy_file, "current", lambda: (Policy(), None))
    monkeypatch.setattr(ingest, "rate", rates.Rate(Clock()))
    settings.CI_HEALING = {
        **settings.CI_HEALING,
        "WEBHOOK_SECRETS": {"": SECRET},
        "ADDRESS_RATE": 5,
        "HOOK_RATE": 3,
    }
    monkeypatch.setattr(
        service,
        "receive",
        lambda **_: service.Receipt(delivery=payloads_id(), status="reading", outcomes=()),
    )


def payloads_id() -> Any:
    from uuid import UUID

    return UUID(int=1)


def post(*, address: str = "192.0.2.1", signed: bool = True) -> HttpResponse:
    body = json.dumps(payloads.generic()).encode()
    headers = {"x-hub-signature-256": hub(body)} if signed else {}
    request = RequestFactory().post(
        "/", data=body, content_type="application/json", headers=headers, REMOTE_ADDR=address
    )
    return ingest.webhook(request, provider="generic")


def refused(answer: HttpResponse) -> tuple[str, str]:
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    return json.loads(answer.content)["detail"], answer["Retry-After"]


def test_an_address_is_refused_before_its_body_is_read_or_its_signature_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [post(signed=False).status_code for _ in range(5)] == [401] * 5
    monkeypatch.setattr(ingest, "_body", lambda request: pytest.fail("the body was read"))
    detail, after = refused(post())
    assert ("CI_HEALING_ADDRESS_RATE" in detail, after) == (True, "12")


def test_another_address_comes_in_meanwhile() -> None:
    for _ in range(9):
        post(signed=False)
    assert post(address="192.0.2.2").status_code == 202


def test_a_hook_is_refused_before_its_body_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [post(address=f"192.0.2.{n}").status_code for n in range(3)] == [202] * 3
    monkeypatch.setattr(_wire, "json_object", lambda raw: pytest.fail("the body was parsed"))
    detail, after = refused(post(address="192.0.2.9"))
    assert ("on this hook" in detail, after) == (True, "20")


def test_who_cannot_sign_uses_up_nothing_of_the_hook() -> None:
    for n in range(5):
        post(address=f"192.0.2.{n}", signed=False)
    assert post(address="192.0.2.9").status_code == 202
