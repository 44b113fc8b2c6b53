"""Whatever stands in a signed payload, it is answered: taken, or refused as what it is. Through the
real view, into a real database.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from cihealing import store
from cihealing.models import Delivery
from cihealing.web import ingest
from tests.providers.ci.mutations import SAMPLES, Mutant, changed, mutants
from tests.providers.ci.payloads import SECRET, circle, hub, kite, standard

pytestmark = pytest.mark.django_db
PATH = "/api/v1/ci-healing/webhook"
TAKEN, REFUSED = (200, 202), (400, 403)


@pytest.fixture(autouse=True)
def _secret(settings: Any) -> None:
    settings.CI_HEALING = {
        **settings.CI_HEALING,
        "WEBHOOK_SECRETS": {"": SECRET, "jenkins": "token-of-jenkins"},
    }


def post(client: Client, mutant: Mutant) -> int:
    """The status; 500 for what nobody caught."""
    now, body = timezone.now(), mutant.body
    headers = {
        "github": lambda: {"x-hub-signature-256": hub(body), "x-github-event": mutant.event},
        "gitlab": lambda: {"x-gitlab-token": SECRET},
        "jenkins": dict,
        "circleci": lambda: {"circleci-signature": circle(body)},
        "buildkite": lambda: {"x-buildkite-signature": kite(body, at=now)},
        "generic": lambda: standard(body, at=now, message_id=f"msg_{hash(body)}"),
    }[mutant.provider]()
    place = (
        f"{PATH}/jenkins/token-of-jenkins"
        if mutant.provider == "jenkins"
        else f"{PATH}/{mutant.provider}"
    )
    return client.post(
        place, data=body, content_type="application/json", headers=headers
    ).status_code


def tell(found: Iterator[Mutant]) -> tuple[Counter[int], list[str]]:
    """How often each status was answered, and what met one that is neither taken nor refused."""
    client, statuses, wrong = Client(raise_request_exception=False), Counter[int](), list[str]()
    for mutant in found:
        status = post(client, mutant)
        statuses[status] += 1
        if status not in (*TAKEN, *REFUSED):
            wrong.append(f"{status}: {mutant.sample}: {mutant.told}")
    return statuses, wrong


def check(number: int, *, seed: int) -> None:
    statuses, wrong = tell(islice(mutants(SAMPLES, seed=seed), number))
    assert not wrong, f"{len(wrong)} of {number}:\n" + "\n".join(wrong[:20])
    # It says something only where both ways are gone, and what was taken can be read again.
    assert statuses[202] > number // 20
    assert statuses[400] > number // 20
    for delivery in Delivery.objects.all():
        assert store.load(delivery.id)


def test_every_sample_is_taken_as_it_is() -> None:
    for name, (provider, payload) in SAMPLES.items():
        (one,) = islice(mutants({name: (provider, payload)}, seed=1), 1)
        assert (
            post(Client(), Mutant(**{**one.__dict__, "body": json.dumps(payload).encode()}))
            in TAKEN
        )


def test_a_share_of_all_mutants_is_answered() -> None:
    check(250, seed=9)


@pytest.fixture(autouse=True)
def without_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands are posted in a minute: what is asked is how each is answered."""
    monkeypatch.setattr(ingest.rate, "wait", lambda *_, **__: 0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_thousand_mutants_are_answered() -> None:
    check(20_000, seed=20)


def test_true_is_no_attempt() -> None:
    """It was counted as one, stored as `true`, and could not be read again."""
    body = json.dumps(
        changed(SAMPLES["workflow_run"][1], ("workflow_run", "run_attempt"), True)
    ).encode()
    one = Mutant(sample="workflow_run", provider="github", event="workflow_run", body=body, told="")
    assert post(Client(raise_request_exception=False), one) == 400
