"""Nothing unredacted is stored, shown or sent: canaries wherever a sender can write are afterwards
in no table, no artifact, no answer, no page, no stream, no export and no outgoing request (I9).
"""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.test import Client, RequestFactory
from django.utils import timezone

from cihealing import policy_file, registry, service
from cihealing.cli import notify
from cihealing.cli.shared.found import call_command
from cihealing.domain.policy import Policy
from cihealing.domain.values import ExecutionRef, Failed, Ignored
from cihealing.models import Artifact, Delivery, Run
from cihealing.ports import NoLog
from cihealing.web import ingest
from cihealing.web.api import streams
from cihealing.workshop.runner import results
from cihealing.workshop.runner.runner import masker
from tests.domain.world import COMMIT
from tests.fakes.service import LOG, Bench, failed, passed, receive
from tests.groups import changed
from tests.providers.ci import payloads
from tests.providers.ci.payloads import hub, standard

pytestmark = pytest.mark.django_db

OWN = "the-services-own-webhook-secret"
TOKEN = "ghp_" + "Qx7" * 12
AWS = "AKIA" + "Z7QW" * 4
PASSWORD = "hunter2-correct-horse"
KEY = "MIIEowIBAAKCAQEAx7Qm2" * 3
API_TOKEN = "the-api-token-of-these-tests"
CANARIES = (OWN, TOKEN, AWS, PASSWORD, KEY, API_TOKEN)
PEM = "-----BEGIN RSA PRIV" + f"ATE KEY-----\n{KEY}\n{KEY}\n-----END RSA PRIV" + "ATE KEY-----"
LEAKY = (
    f"+ export GITHUB_TOKEN={TOKEN}\nAWS_ACCESS_KEY_ID={AWS}\nDB_PASSWORD={PASSWORD}\nsigned with"
    f" {OWN}\n{PEM}\nusing gh\x1b[1mp_{TOKEN[4:]}\x1b[0m\nurl"
    f" https://ann:{PASSWORD}@ci.example.org/\n"
)
RED = LEAKY + LOG.replace("assert 4 == 3", f"assert '{TOKEN}' == 'password={PASSWORD}'") + LEAKY
LOST = (
    LEAKY
    + "##[error]The hosted runner lost communication with the server. Anything in your workflow"
    " that terminates the runner process\n"
)
GITHUB = {"CI_HEALING_GITHUB_TOKEN": API_TOKEN}


def everything() -> str:
    """All text of all tables, artifacts unpacked."""
    rows = [
        repr(row)
        for model in apps.get_app_config("cihealing").get_models()
        for row in model._default_manager.values()
    ]
    packed = Artifact.objects.exclude(content=None).values_list("content", flat=True)
    return "\n".join(
        [*rows, *(zlib.decompress(bytes(content)).decode("utf-8", "replace") for content in packed)]
    )


def leaked(text: str) -> list[str]:
    """Canaries of which any 12 characters in a row are there."""
    return [
        canary
        for canary in CANARIES
        if any(canary[at : at + 12] in text for at in range(len(canary) - 11))
    ]


@pytest.fixture(autouse=True)
def _own_secret(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"WEBHOOK_SECRETS": {"": OWN}, "API_TOKEN": API_TOKEN, "METRICS_ALLOW": ["127.0.0.1"]}
    settings.CI_HEALING = {**django_settings.CI_HEALING, **own}
    held = {"WEBHOOK_SECRET": OWN, "API_TOKEN": API_TOKEN, **GITHUB}
    settings.ENVIRONMENT = changed(django_settings.ENVIRONMENT, held)
    settings.ALLOWED_HOSTS = ["testserver"]
    monkeypatch.setattr(policy_file, "current", lambda: (Policy(), None))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """Every request that leaves over HTTP, whoever makes it; GitHub answers with what leaks."""
    seen = list[httpx.Request]()

    def answer(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        request.read()
        seen.append(request)
        return github_says(request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    monkeypatch.setattr("cihealing.http.network.system", lambda *_: ["140.82.112.5"])
    return seen


def github_says(request: httpx.Request) -> httpx.Response:
    path = request.url.path
    if path.endswith("/jobs"):
        job = {
            **payloads.workflow_job()["workflow_job"],
            "id": 77,
            "name": f"unit {TOKEN}",
            "head_branch": f"fix-{AWS}",
        }
        return httpx.Response(200, json={"total_count": 1, "jobs": [job]}, request=request)
    if path.rpartition("/")[2].isdigit():
        return httpx.Response(200, json=payloads.workflow_job()["workflow_job"], request=request)
    if path.endswith("/logs"):
        return httpx.Response(
            200, content=(LOST if "/4001/" in path else RED).encode(), request=request
        )
    if path.endswith("/rerun"):
        return httpx.Response(403, json={"message": f"denied: token={TOKEN}"}, request=request)
    return httpx.Response(
        202, json={"runId": "r1", "status": "queued", "deduplicated": False}, request=request
    )


def outgoing(requests: list[httpx.Request]) -> str:
    """All bytes that left, but for the credential in the header that is there to prove who asks."""
    return "\n".join(
        f"{request.method} {request.url}\n"
        + "\n".join(f"{k}: {v}" for k, v in request.headers.items() if k != "authorization")
        + request.content.decode("utf-8", "replace")
        for request in requests
    )


def real_ci() -> Bench:
    """Everything faked but the CI adapters, which ask over HTTP."""
    bench = Bench()
    bench.tools = replace(
        bench.tools,
        logs=registry.made(lambda one: one.logs),
        expanding=registry.made(lambda one: one.expanding),
        identifying=registry.made(lambda one: one.identifying),
        reruns=registry.made(lambda one: one.reruns),
    )
    return bench


def post(payload: object, *, provider: str = "generic", event: str = "") -> str:
    body = json.dumps(payload).encode()
    signed = {
        "x-hub-signature-256": hub(body, secret=OWN),
        "x-github-event": event,
        "x-github-delivery": f"d-{TOKEN}",
    }
    headers = (
        signed
        if event
        else standard(body, key=OWN.encode(), at=timezone.now(), message_id=f"msg-{TOKEN}")
    )
    request = RequestFactory().post(
        "/webhook", data=body, content_type="application/json", headers=headers
    )
    answer = ingest.webhook(request, provider=provider)
    assert answer.status_code in (200, 202), answer.content
    return answer.content.decode()


STUFFED = {
    "provider": "generic",
    "repository": "acme/shop",
    "branch": f"fix-{TOKEN}",
    "baseBranch": f"base-{AWS}",
    "commitSha": COMMIT,
    "job": f"unit {TOKEN}",
    "step": f"deploy password={PASSWORD}",
    "command": f"run --password={PASSWORD}",
    "errorType": f"Error {TOKEN}",
    "conclusion": "failure",
    "pipelineUrl": f"https://ann:{PASSWORD}@ci.example.org/1?access_token={TOKEN}",
    "executionId": f"exec-{TOKEN}",
    "deliveryId": f"delivery-{TOKEN}",
    "errorLog": RED,
}


def test_canaries_in_logs_and_names_are_nowhere_after_a_healing() -> None:
    bench = Bench()
    bench.ci.log = LEAKY + LOG
    receive(
        failed(
            log=LEAKY + LOG + LEAKY, step=f"deploy {TOKEN}", command=f"run --password={PASSWORD}"
        ),
        key="1",
    )
    receive(
        failed(2, log=None, job="other", pipeline_url=f"https://ann:{PASSWORD}@ci.example.org/1"),
        key="2",
    )
    receive(passed(3, log=LEAKY), key="3")
    bench.runner.hash = Run.objects.first().error_hash  # type: ignore[union-attr]
    bench.drain()
    stored = everything()
    assert Run.objects.count() == 1
    assert leaked(stored) == []
    assert len(re.findall(r"\[redacted:", stored)) >= 4


def test_every_field_a_sender_writes_is_masked_even_of_what_is_ignored() -> None:
    told = post(STUFFED)
    cancelled = payloads.workflow_job(
        workflow_job={"name": f"unit {TOKEN}", "conclusion": "cancelled"}
    )
    told += post(cancelled, provider="github", event="workflow_job")
    receive(Ignored(reason=f"job {TOKEN}: skipped"), key=f"key {TOKEN}")
    receive(
        failed(
            9,
            log=None,
            execution=ExecutionRef(provider="x", host=f"{TOKEN}.example.org", job_run_id=f"{OWN}"),
            parent_id=TOKEN,
        ),
        key="9",
    )
    assert Delivery.objects.count() == 4
    assert leaked(everything() + told) == []


def test_a_human_note_with_a_secret_is_masked_too() -> None:
    bench = Bench()
    receive(failed(), key="1")
    by = service.Cause(source="t").actor
    service.perform(Run.objects.get().id, "abort", note=f"leaked {TOKEN}", by=by, tools=bench.tools)
    assert leaked(everything()) == []


def test_what_an_adapter_or_a_crash_says_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    receive(failed(log=None), key="1")
    receive(failed(2, log=None, job="other"), key="2")

    def unhappy(*args: Any, **kwargs: Any) -> str:
        if "other" in repr(args):
            raise RuntimeError(f"no answer from https://ann:{PASSWORD}@ci.example.org/?token={OWN}")
        raise NoLog(f"refused {OWN}")

    monkeypatch.setattr(bench.ci, "fetch_log", unhappy)
    bench.drain(6)
    assert "refused [redacted:known:" in everything()
    assert leaked(everything()) == []


def test_the_reason_of_a_purge_is_masked() -> None:
    receive(failed(), key="1")
    digest = Artifact.objects.filter(kind="log").values_list("digest", flat=True)[0]
    call_command("audit", "purge", digest, reason=f"it held {TOKEN}", stdout=io.StringIO())
    assert "it held [redacted:" in everything()
    assert leaked(everything()) == []


def test_names_of_tests_from_result_files_are_masked() -> None:
    hidden = masker([OWN])
    tests = results.Tests(
        passed=("test_a", f"test_b[{TOKEN}]"), failed=(f"test_c[{OWN}]",)
    ).renamed(hidden)
    assert leaked(repr(tests)) == []
    assert tests.passed[0] == "test_a"
    assert list(hidden([f"missing {OWN}", "plain"]))[1] == "plain"


def shown(client: Client, paths: list[str]) -> Iterator[str]:
    for path in paths:
        answer = client.get(path)
        assert answer.status_code < 500, path
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
        yield (
            f"{path} {answer.status_code} {dict(answer.headers)}\n{body.decode('utf-8', 'replace')}"
        )


def test_no_answer_page_stream_or_export_shows_a_canary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LONGEST_SYNC", 0.0)
    bench = Bench()
    told = post(STUFFED)
    run = Run.objects.get()
    bench.runner.hash = run.error_hash
    bench.drain()
    home, page = "/api/v1/ci-healing", f"/runs/{run.id}"
    delivery = Delivery.objects.get().id
    own = [f"/runs/{run.id}{part}" for part in ("", "/patch", "/report", "/memory", "/events")]
    calls = [
        home + path
        for path in (
            f"/deliveries/{delivery}",
            "/runs",
            "/runs?q=unit",
            *own,
            "/metrics/summary",
            "/metrics/repositories",
            "/stream",
        )
    ]
    program = Client(headers={"Authorization": f"Bearer {API_TOKEN}", "Last-Event-ID": "0"})
    person = Client()
    person.force_login(
        get_user_model().objects.create_superuser("root"),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    texts = [
        told,
        *shown(program, [*calls, "/metrics"]),
        *shown(
            person,
            [
                "/",
                "/runs",
                page,
                *(f"{page}/{part}" for part in ("live", "report", "report.md", "log")),
            ],
        ),
    ]
    texts += [exported(run.id)]
    assert sum("[redacted:" in text for text in texts) >= 5
    assert [leaked(text) for text in texts if leaked(text)] == []


def exported(run: UUID) -> str:
    out = io.StringIO()
    call_command("audit", "export", stdout=out)
    call_command("audit", "export", run=str(run), stdout=out)
    call_command("runs", json=True, stdout=out)
    return out.getvalue()


def test_nothing_that_leaves_over_http_holds_a_canary(sent: list[httpx.Request]) -> None:
    bench = real_ci()
    job = payloads.workflow_job(workflow_job={"name": f"unit {TOKEN}", "head_branch": f"fix-{AWS}"})
    post(job, provider="github", event="workflow_job")
    receive(workflow(), key="coarse")
    for timer in ("expand_result", "ask_rerun", "read_failure", "ask_rerun"):
        bench.ring(timer)
        bench.drain()
    paths = [request.url.path.rpartition("/")[2] for request in sent]
    assert {"jobs", "logs", "rerun"} <= set(paths)
    assert leaked(outgoing(sent)) == []
    assert leaked(everything()) == []


def workflow() -> Failed:
    ref = ExecutionRef(provider="github", host="github.com", job_run_id="run-5", attempt=1)
    return failed(execution=ref, log=None, coarse=True, parent_id="5", job=f"flow {TOKEN}")


def test_notify_sends_no_secret_out_of_the_ci(
    sent: list[httpx.Request], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_HEALING_WEBHOOK_SECRET", OWN)
    log = tmp_path / "build.log"
    log.write_text(RED)
    needed = {
        "repo": "acme/shop",
        "commit": COMMIT,
        "job": f"unit {TOKEN}",
        "branch": f"fix-{AWS}",
        "ci_command": f"run --password={PASSWORD}",
    }
    call_command(
        notify.Command(),
        url="https://heal.example.com",
        log=str(log),
        stdout=io.StringIO(),
        **needed,
    )
    assert len(sent) == 1
    assert "[redacted:" in outgoing(sent)
    assert leaked(outgoing(sent)) == []
