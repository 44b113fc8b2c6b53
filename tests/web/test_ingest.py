"""The webhook over HTTP: what is refused and how, and that nothing is received before it is proven,
read and permitted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from cihealing import hooks, policy_file, service
from cihealing.domain.policy import HookPolicy, Policy
from cihealing.domain.values import Failed, Ignored, Passed
from cihealing.web import ingest, secret_paths
from tests.providers.ci import payloads
from tests.providers.ci.payloads import SECRET, circle, hub, kite, standard

DELIVERY, RUN, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)


class Service:
    """Stands for `service.receive`: remembers what it was given, answers as it is told."""

    def __init__(self) -> None:
        self.received = list[dict[str, Any]]()
        self.receipt: Callable[[list[Any]], service.Receipt] = lambda results: receipt(
            *(outcome() for _ in results)
        )

    def receive(self, **delivery: Any) -> service.Receipt:
        self.received.append(delivery)
        return self.receipt(delivery["results"])


def outcome(
    *, run: UUID | None = RUN, status: str = "queued", again: bool = False, ignored: str = ""
) -> service.ResultOutcome:
    return service.ResultOutcome(run_id=run, status=status, deduplicated=again, ignored=ignored)


def receipt(*outcomes: service.ResultOutcome, status: str = "done") -> service.Receipt:
    return service.Receipt(delivery=DELIVERY, status=status, outcomes=outcomes)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Service:
    fake = Service()
    monkeypatch.setattr(service, "receive", fake.receive)
    return fake


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    for name in [name for name in os.environ if name.startswith("CI_HEALING_WEBHOOK_SECRET")]:
        monkeypatch.delenv(name)
    settings.CI_HEALING = {
        **settings.CI_HEALING,
        "WEBHOOK_SECRETS": {"": SECRET},
        "MAX_BODY": 20 * 1024 * 1024,
    }
    monkeypatch.setattr(policy_file, "current", lambda: (Policy(), None))


def post(
    body: bytes,
    *,
    provider: str = "generic",
    token: str = "",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> HttpResponse:
    request = RequestFactory().post(
        "/webhook/" + token,
        data=body,
        content_type=more.pop("content_type", "application/json"),
        headers=headers,
    )
    request.META.update(more)
    request._stream = more.get("wsgi.input", request._stream)
    request.META[secret_paths.TOKEN] = token
    return ingest.webhook(request, provider=provider)


def send(payload: object, *, provider: str = "generic") -> HttpResponse:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return post(body, provider=provider, headers=standard(body, at=timezone.now()))


def problem(response: HttpResponse) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    told = json.loads(response.content)
    assert told["status"] == response.status_code
    assert told["title"]
    return response.status_code, told["type"].removeprefix("urn:cihealing:problem:")


def test_a_signed_result_is_received_once(told: Service) -> None:
    response = send(payloads.generic())
    assert response.status_code == 202
    assert json.loads(response.content) == {
        "runId": str(RUN),
        "status": "queued",
        "deduplicated": False,
    }
    (delivery,) = told.received
    assert (delivery["hook"], delivery["provider"], delivery["delivery_id"]) == (
        "generic",
        "generic",
        "msg_1",
    )
    assert [type(result) for result in delivery["results"]] == [Failed]
    assert delivery["now"].tzinfo is not None


SIGNED: dict[str, tuple[str, dict[str, Any], Callable[[bytes], Mapping[str, str]]]] = {
    "github": (
        "github",
        payloads.workflow_job(),
        lambda b: {"x-hub-signature-256": hub(b), "x-github-event": "workflow_job"},
    ),
    "gitlab": ("gitlab", payloads.gitlab_job(), lambda _: {"x-gitlab-token": SECRET}),
    "circleci": ("circleci", payloads.circleci_job(), lambda b: {"circleci-signature": circle(b)}),
    "buildkite": (
        "buildkite",
        payloads.buildkite_job(),
        lambda b: {"x-buildkite-signature": kite(b, at=timezone.now())},
    ),
    "generic hub": ("generic", payloads.generic(), lambda b: {"x-hub-signature-256": hub(b)}),
}


@pytest.mark.parametrize("name", SIGNED)
def test_every_provider_is_received(name: str, told: Service) -> None:
    provider, payload, sign = SIGNED[name]
    body = json.dumps(payload).encode()
    assert post(body, provider=provider, headers=sign(body)).status_code == 202
    assert told.received[0]["results"][0].repository in ("acme/shop", "acme/web/shop")


def test_jenkins_comes_with_its_token_in_the_path(told: Service) -> None:
    body = json.dumps(payloads.jenkins()).encode()
    assert post(body, provider="jenkins", token=SECRET).status_code == 202
    assert problem(post(body, provider="jenkins", token="wrong")) == (401, "bad-signature")
    assert problem(post(body, provider="jenkins")) == (401, "bad-signature")
    assert len(told.received) == 1


def test_github_may_send_a_form(told: Service) -> None:
    body = urlencode({"payload": json.dumps(payloads.workflow_job())}).encode()
    headers = {"x-hub-signature-256": hub(body), "x-github-event": "workflow_job"}
    assert (
        post(
            body,
            provider="github",
            headers=headers,
            content_type="application/x-www-form-urlencoded",
        ).status_code
        == 202
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"payload=", b"payload={", b"other={}", b"&".join(b"a=1" for _ in range(100)), b"\xff"],
)
def test_a_form_without_json_is_a_400(body: bytes, told: Service) -> None:
    headers = {"x-hub-signature-256": hub(body), "x-github-event": "workflow_job"}
    answer = post(
        body, provider="github", headers=headers, content_type="application/x-www-form-urlencoded"
    )
    assert problem(answer) == (400, "bad-payload")


@pytest.mark.parametrize(
    ("given", "status", "body"),
    [
        (
            receipt(outcome(again=True, status="running")),
            202,
            {"runId": str(RUN), "status": "running", "deduplicated": True},
        ),
        (receipt(outcome(run=None, ignored="ping")), 200, {"ignored": "ping"}),
        (
            receipt(outcome(run=None, ignored="a"), outcome(run=None, ignored="a")),
            200,
            {"ignored": "a"},
        ),
        (receipt(status="reading"), 202, {"deliveryId": str(DELIVERY), "status": "reading"}),
        (
            receipt(outcome(run=None, status="recorded")),
            202,
            {"deliveryId": str(DELIVERY), "status": "done"},
        ),
        (
            receipt(outcome(), outcome(run=None, ignored="x")),
            202,
            {"runId": str(RUN), "status": "queued", "deduplicated": False},
        ),
        (
            receipt(outcome(), outcome(run=OTHER)),
            202,
            {
                "runs": [
                    {"runId": str(run), "status": "queued", "deduplicated": False}
                    for run in (RUN, OTHER)
                ]
            },
        ),
    ],
)
def test_the_answer_tells_what_became_of_it(
    given: service.Receipt, status: int, body: object, told: Service
) -> None:
    told.receipt = lambda _: given
    response = send(payloads.generic())
    assert (response.status_code, json.loads(response.content)) == (status, body)


def test_what_is_no_result_is_received_as_ignored(told: Service) -> None:
    body = b"{}"
    post(
        body,
        provider="github",
        headers={"x-hub-signature-256": hub(body), "x-github-event": "ping"},
    )
    assert [type(result) for result in told.received[0]["results"]] == [Ignored]


def test_an_unknown_provider_is_a_404(told: Service) -> None:
    assert problem(send({}, provider="travis")) == (404, "unknown-provider")


@pytest.mark.parametrize("method", ["get", "put", "delete", "head", "options"])
def test_only_post_is_taken(method: str, told: Service) -> None:
    request: HttpRequest = getattr(RequestFactory(), method)("/webhook")
    response = ingest.webhook(request, provider="generic")
    assert (response.status_code, response["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature-256": "sha256=00"},
        {"x-hub-signature-256": "é♥".encode().decode("latin-1")},
    ],
)
def test_without_a_right_signature_nothing_is_even_parsed(
    headers: dict[str, str], told: Service
) -> None:
    for body in (b"{", json.dumps(payloads.generic()).encode()):
        assert problem(post(body, headers=headers)) == (401, "bad-signature")
    assert told.received == []


def test_without_a_secret_nothing_is_taken(told: Service, settings: Any) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "WEBHOOK_SECRETS": {"": ""}}
    body = json.dumps(payloads.generic()).encode()
    for headers in (
        {},
        standard(body, key=b"", at=timezone.now()),
        {"x-hub-signature-256": hub(body, secret="")},
    ):
        response = post(body, headers=headers)
        assert problem(response) == (401, "bad-signature")
        assert "CI_HEALING_WEBHOOK_SECRET" in json.loads(response.content)["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'{"a": NaN}',
        b'{"a": "\\u0000"}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe",
        json.dumps(payloads.generic(commitSha="x")).encode(),
        json.dumps(payloads.generic(branch=7)).encode(),
    ],
)
def test_a_signed_body_that_cannot_be_read_is_a_400(body: bytes, told: Service) -> None:
    assert problem(send(body)) == (400, "bad-payload")
    assert told.received == []


def test_a_complaint_names_the_field(told: Service) -> None:
    assert json.loads(send(payloads.generic(commitSha="x")).content)["detail"].startswith(
        "commitSha: "
    )


class Endless:
    """A body that would be read without end, and counts."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0
        self.taken += size
        return b"x" * size


def test_too_long_a_body_is_refused_before_it_is_read(told: Service) -> None:
    stream = Endless()
    assert problem(post(b"", stream=stream, CONTENT_LENGTH=str(25 * 1024 * 1024))) == (
        413,
        "too-large",
    )
    assert problem(post(b"", CONTENT_LENGTH="9" * 10_000)) == (413, "too-large")
    assert stream.taken == 0


def test_and_one_that_lies_about_its_length_is_read_no_further_than_the_limit(
    told: Service, settings: Any
) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "MAX_BODY": 1_000}
    request = RequestFactory().post("/webhook", data=b"{}", content_type="application/json")
    stream: Any = Endless()
    request._stream = stream
    assert problem(ingest.webhook(request, provider="generic")) == (413, "too-large")
    assert stream.taken == 1_001


@pytest.mark.parametrize("length", ["-1", "ten", "1e9", "1.5"])
def test_a_length_that_is_no_number_is_a_400(length: str, told: Service) -> None:
    assert problem(post(b"{}", CONTENT_LENGTH=length)) == (400, "bad-request")


NARROW = HookPolicy(
    name="shop", provider="generic", secret_setting="SHOP_SECRET", repositories=("acme/shop*",)
)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_SECRET", "of the shop")
    monkeypatch.setattr(policy_file, "current", lambda: (Policy(hooks=(NARROW,)), None))


def send_as_shop(**changes: Any) -> HttpResponse:
    body = json.dumps(payloads.generic(**changes)).encode()
    return post(body, headers=standard(body, key=b"of the shop", at=timezone.now()))


@pytest.mark.usefixtures("narrow")
def test_a_narrow_hook_speaks_for_its_repositories(told: Service) -> None:
    assert send_as_shop().status_code == 202
    assert told.received[0]["hook"] == "policy:shop"


@pytest.mark.usefixtures("narrow")
def test_and_for_no_other(told: Service) -> None:
    for repository in ("acme/bank", "mallory/shop", "Acme/shop"):
        assert problem(send_as_shop(repository=repository)) == (403, "not-this-hooks-repository")
    assert told.received == []


@pytest.mark.usefixtures("narrow")
def test_the_wide_hook_still_speaks_for_all(told: Service) -> None:
    assert send(payloads.generic(repository="acme/bank")).status_code == 202
    assert told.received[0]["hook"] == "generic"


@pytest.mark.parametrize(
    ("provider", "environment", "secrets"),
    [
        ("github", {"CI_HEALING_WEBHOOK_SECRET": "a"}, ["a"]),
        ("github", {"CI_HEALING_WEBHOOK_SECRET": " a , b,,"}, ["a", "b"]),
        (
            "github",
            {"CI_HEALING_WEBHOOK_SECRET": "a", "CI_HEALING_WEBHOOK_SECRET_GITHUB": "new,old"},
            ["new", "old", "a"],
        ),
        ("gitlab", {"CI_HEALING_WEBHOOK_SECRET_GITHUB": "a"}, []),
        ("github", {"CI_HEALING_WEBHOOK_SECRET": " , "}, []),
        ("github", {}, []),
    ],
)
def test_secrets_make_a_hook_for_all_repositories(
    provider: str, environment: dict[str, str], secrets: list[str]
) -> None:
    found = hooks.hooks_for(provider, environment=environment, policy=Policy())
    assert [secret for hook in found for secret in hook.secrets] == secrets
    assert all(hook.speaks_for("any/thing") for hook in found)


def test_a_narrow_hook_has_the_secret_its_setting_names(tmp_path: Path) -> None:
    policy, file = Policy(hooks=(NARROW,)), tmp_path / "secret"
    file.write_text("from a file\n")
    assert hooks.hooks_for("generic", environment={}, policy=policy) == []
    assert hooks.hooks_for("github", environment={"SHOP_SECRET": "x"}, policy=policy) == []
    (direct,) = hooks.hooks_for("generic", environment={"SHOP_SECRET": "x"}, policy=policy)
    (filed,) = hooks.hooks_for(
        "generic", environment={"SHOP_SECRET_FILE": str(file)}, policy=policy
    )
    assert (direct.secrets, filed.secrets) == (("x",), ("from a file",))
    assert (
        hooks.hooks_for(
            "generic", environment={"SHOP_SECRET_FILE": str(tmp_path / "gone")}, policy=policy
        )
        == []
    )
    assert "x" not in repr(direct).removeprefix("Hook(name='policy:shop'").split("repositories")[0]


def test_a_green_result_is_received_as_one(told: Service) -> None:
    send(payloads.generic(conclusion="success"))
    assert [type(result) for result in told.received[0]["results"]] == [Passed]
