"""A log too large for the request: answered at once, kept sealed, read by an effect in a process of
its own, then dropped.
"""

from __future__ import annotations

import json
import zlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.apps import apps
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone
from msgspec import structs

from cihealing import apart, policy_file, reading, registry, service
from cihealing.domain.policy import Policy
from cihealing.models import Artifact, Delivery, Execution, Outbox, Run, WaitingLog
from cihealing.ports import BadPayload, PermanentError, TransientError
from cihealing.providers.shared import wire as _wire
from cihealing.service import earlier, logs, waiting
from cihealing.service.earlier import Greens
from cihealing.web import ingest
from cihealing.web.rates import Rate
from tests.fakes.service import LOG, Bench, failed
from tests.providers.ci import payloads
from tests.providers.ci.payloads import SECRET, hub

pytestmark = pytest.mark.django_db

read_apart = apart.read

CANARY = "ghp_" + "Qx7" * 12
LINE = "2026-11-25T10:00:00Z collecting package number {n} of the very many there are\n"
LARGE = "".join(LINE.format(n=n) for n in range(150)) + f"export GITHUB_TOKEN={CANARY}\n" + LOG


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "WEBHOOK_SECRETS": {"": SECRET}}
    monkeypatch.setattr(policy_file, "current", lambda: (Policy(), None))
    monkeypatch.setattr(ingest, "rate", Rate())
    monkeypatch.setattr(logs, "LARGE", 10_000)
    # A process takes a second to begin: those tests that are about it call it themselves.
    monkeypatch.setattr(apart, "read", lambda log, **more: apart.answered(question(log, **more)))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def post(log: str, **fields: Any) -> HttpResponse:
    body = json.dumps({**payloads.generic(), "errorLog": log, **fields}).encode()
    return send(body)


def send(body: bytes) -> HttpResponse:
    headers = {"x-hub-signature-256": hub(body)}
    return ingest.webhook(
        RequestFactory().post("/", data=body, content_type="application/json", headers=headers),
        provider="generic",
    )


def told(answer: HttpResponse, status: int = 202) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    found: dict[str, Any] = json.loads(answer.content)
    return found


def read_all() -> None:
    """Carry out the reading that is due, and nothing else."""
    for row in Outbox.objects.filter(state="pending", name="read_failure"):
        service.run_effect(
            row.id,
            tools=Bench().tools,
            capabilities=registry.CAPABILITIES,
            readers=registry.READERS,
        )


def stored() -> bytes:
    """Every byte of every table."""
    found = []
    for model in apps.get_app_config("cihealing").get_models():
        for row in model._default_manager.values():
            found += [
                bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                for value in row.values()
            ]
    return b"\n".join(
        [
            *found,
            *(zlib.decompress(bytes(a.content)) for a in Artifact.objects.exclude(content=None)),
        ]
    )


def test_a_small_log_is_read_in_the_request() -> None:
    assert told(post(LOG))["deduplicated"] is False
    assert not WaitingLog.objects.exists()


def test_a_megabyte_of_logs_in_one_body_is_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    half = structs.replace(failed(), log="x" * 500_000)
    assert not logs.large([half, half], Greens())
    assert logs.large([half, half, structs.replace(half, log="x")], Greens())


def test_a_large_log_is_answered_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "read", None)
    monkeypatch.setattr(reading, "redact", unless_large)
    answer = told(post(LARGE))
    assert answer == {"deliveryId": str(Delivery.objects.get().id), "status": "reading"}
    assert not Run.objects.exists()


def unless_large(text: str, known: Any = ()) -> reading.Redacted:
    assert len(text) < 9_000, "redacted in the request"
    return reading.Redacted(text, 0)


def test_the_run_begins_when_it_was_read_and_its_log_is_kept_redacted() -> None:
    delivery = told(post(LARGE))["deliveryId"]
    read_all()
    run = Run.objects.get()
    assert json.loads(Delivery.objects.get(id=delivery).outcomes)[0]["runId"] == str(run.id)
    text = zlib.decompress(
        bytes(Artifact.objects.get(digest=Execution.objects.get().log).content)
    ).decode()
    assert text.count("\n") == LARGE.count("\n")
    assert "[redacted:" in text


def test_it_is_read_as_it_would_have_been_in_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LARGE", 10**9)
    now = UUID(told(post(LARGE, deliveryId="a", executionId="a"))["runId"])
    monkeypatch.setattr(logs, "LARGE", 10_000)
    later = told(post(LARGE, deliveryId="b", executionId="b"))
    read_all()
    outcome = json.loads(Delivery.objects.get(id=later["deliveryId"]).outcomes)[0]
    assert (UUID(outcome["runId"]), outcome["deduplicated"]) == (now, True)
    assert len(set(Execution.objects.values_list("log", flat=True))) == 1


def test_nothing_unredacted_lies_in_the_store_before_and_after_it_was_read() -> None:
    post(LARGE)
    waits = stored()
    assert WaitingLog.objects.count() == 1
    read_all()
    for text in (waits, stored()):
        assert CANARY.encode() not in text
    assert LINE.format(n=5).encode() not in waits


def test_what_was_read_is_dropped(bench: Bench) -> None:
    post(LARGE)
    read_all()
    assert not WaitingLog.objects.exists()


def test_the_same_delivery_twice_is_one_run(bench: Bench) -> None:
    first, second = told(post(LARGE)), told(post(LARGE))
    assert first == second
    read_all()
    third = told(post(LARGE))
    assert (Run.objects.count(), Delivery.objects.count(), third["deduplicated"]) == (1, 1, True)


def test_a_large_log_of_a_passing_run_is_read_later_too() -> None:
    answer = told(post(LARGE, conclusion="success"))
    assert answer["status"] == "reading"
    read_all()
    assert json.loads(Delivery.objects.get().outcomes)[0]["status"] == "passed"
    execution = Execution.objects.get()
    kept = zlib.decompress(bytes(Artifact.objects.get(digest=execution.log).content))
    assert (execution.outcome, CANARY.encode() in kept) == ("passed", False)
    assert not WaitingLog.objects.exists()


def test_a_small_log_with_large_green_ones_is_read_later(monkeypatch: pytest.MonkeyPatch) -> None:
    told(post(LOG, conclusion="success", executionId="green"))
    monkeypatch.setattr(earlier, "LARGE", 100)
    assert told(post(LOG))["status"] == "reading"
    read_all()
    assert Run.objects.count() == 1


def test_a_fetched_log_that_is_large_is_read_apart(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        apart,
        "read",
        lambda log, **more: asked.append(len(log)) or apart.answered(question(log, **more)),
    )
    fields = {**payloads.generic(), "provider": "generic"}
    del fields["errorLog"]
    send(json.dumps(fields).encode())
    bench.ci.log = LARGE
    bench.step()
    assert asked == [len(LARGE)]
    assert Run.objects.count() == 1


def question(log: bytes, **more: Any) -> apart.Question:
    return apart.Question(
        log=log,
        green=tuple(more["green"]),
        known=tuple(more["known"]),
        failed=more["failed"],
        rules="",
    )


def test_the_same_large_delivery_at_once_gets_the_first_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = told(post(LARGE, deliveryId="a"))
    look = earlier.look
    # As if both had looked before either was stored.
    monkeypatch.setattr(earlier, "look", lambda stream, results: (None, look(stream, results)[1]))
    second = told(post(LARGE, deliveryId="a"))
    assert second["deliveryId"] == first["deliveryId"]
    assert WaitingLog.objects.count() == 1


def test_what_waits_is_bounded_and_the_sender_is_told_to_come_again(settings: Any) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "MAX_WAITING_LOGS": len(LARGE) + 10_000}
    told(post(LARGE, deliveryId="a"))
    answer = post(LARGE + "x", deliveryId="b")
    problem = told(answer, 503)
    assert (problem["type"], answer["Retry-After"]) == ("urn:cihealing:problem:no-room", "60")
    assert Delivery.objects.count() == 1
    read_all()
    told(post(LARGE + "x", deliveryId="b"))


def test_a_log_sealed_under_another_key_is_no_log(settings: Any) -> None:
    post(LARGE)
    settings.SECRET_KEY = "another-secret-key-than-before"
    read_all()
    assert json.loads(Run.objects.get().state)["strong"] is False
    assert not WaitingLog.objects.exists()


def test_a_sealed_log_opens_only_where_it_belongs() -> None:
    delivery = UUID(int=7)
    waiting.put(
        delivery,
        [waiting.seal(delivery, 0, "text"), waiting.seal(UUID(int=8), 1, "other")],
        now=timezone.now(),
    )
    assert (waiting.get(delivery, 0), waiting.get(delivery, 1), waiting.get(delivery, 2)) == (
        b"text",
        None,
        None,
    )


@pytest.mark.parametrize("error", [PermanentError("takes too long"), TransientError("was ended")])
def test_a_log_that_cannot_be_read_leaves_a_weak_failure(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def read(*_: Any, **__: Any) -> None:
        raise error

    post(LARGE)
    monkeypatch.setattr(apart, "read", read)
    for _ in range(6):
        Outbox.objects.update(not_before=timezone.now() - timedelta(seconds=1), lease_until=None)
        read_all()
    assert json.loads(Run.objects.get().state)["strong"] is False
    assert not WaitingLog.objects.exists()


def test_the_process_that_reads_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "SECONDS", 0.05)
    with pytest.raises(PermanentError, match="more than"):
        read_apart(LARGE.encode(), green=[], known=[], failed=True, rules=None)


def test_the_process_that_reads_sees_nothing_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        apart,
        "START",
        "import os, sys; sys.exit(len([name for name in os.environ if 'LC_' not in name]) + 40)",
    )
    with pytest.raises(TransientError, match="ended with 40"):
        read_apart(b"", green=[], known=[], failed=True, rules=None)


def test_reading_apart_masks_what_is_known_and_heeds_local_rules(tmp_path: Any) -> None:
    rule = {
        "id": "vault-sealed",
        "class": "infra",
        "type": "vault",
        "any": ["Vault is sealed"],
        "samples": ["Error: Vault is sealed"],
    }
    (tmp_path / "infra.yaml").write_text(json.dumps([rule]))
    log = b"Error: Vault is sealed by known-secret-value\n"
    read = read_apart(log, green=[], known=["known-secret-value"], failed=True, rules=tmp_path)
    assert read.failure is not None
    assert read.failure.signs[0].rule == "vault-sealed"
    assert b"known-secret" not in zlib.decompress(read.log) + msgspec.json.encode(read.failure)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":[' + b"{}," * 1_000_000 + b"0]}", id="objects"),
        pytest.param(b'{"a":[' + b"1," * 1_500_000 + b"0]}", id="numbers"),
        pytest.param(b'{"a":[' + b'"",' * 3_000_000 + b'""]}', id="strings"),
    ],
)
def test_structure_without_end_is_refused_before_it_is_parsed(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_wire, "_loads", lambda text: pytest.fail("it was parsed"))
    with pytest.raises(BadPayload, match="besides the text"):
        _wire.json_object(body)


def test_depth_is_counted_outside_strings_alone() -> None:
    deep = {"a": "[" * 500 + '\\"' + "{" * 500, "b\\": ['"' * 5, "\\"] * 3, 'c"[[': {"d": '\\\\"'}}
    assert _wire.json_object(json.dumps(deep).encode()) == deep
    for body in (
        b'{"a":' + b"[" * 101,
        b'{"\\\\":' + b"[" * 101,
        b'{"\\"":' + b"[" * 101,
        b'{"a\\\\\\"":"","b":' + b"[" * 101,
    ):
        with pytest.raises(BadPayload, match="nested"):
            _wire.json_object(body)
