"""The secret in Jenkins' URL: taken where it belongs, and in no log, page or header, however the
URL was mistyped.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client

from cihealing import hooks
from cihealing.cli.shared import signing
from cihealing.models import Delivery
from cihealing.web import ingest
from cihealing.web.secret_paths import MASK, PLACE, hidden, masked
from config import asgi, wsgi
from tests.providers.ci import payloads

TOKEN, MAIN = "t0kenOfJenk1ns-8c2b9a7f66d1", "ma1nSecret-77aa1c0f9e3b2d4c"
WEBHOOK = "/api/v1/ci-healing/webhook"

MISTYPED = [
    f"{WEBHOOK}/jenkins/{{}}/",
    f"{WEBHOOK}/jenkins/{{}}/x",
    f"{WEBHOOK}/jenkins/x/{{}}",
    f"{WEBHOOK}//jenkins/{{}}",
    f"/{WEBHOOK}//jenkins//{{}}//",
    f"{WEBHOOK}/Jenkins/{{}}",
    "/API/V1/CI-HEALING/WEBHOOK/JENKINS/{}",
    f"{WEBHOOK}/jenkin%73/{{}}",
    f"{WEBHOOK}/jenkins%2F{{}}",
    f"{WEBHOOK}/jenkins%252F{{}}",
    "/api%2Fv1%2Fci-healing%2Fwebhook%2Fjenkins%2F{}",
    "/api/v1/ci-healing/web%2568ook/jenkins/{}",
    "/api/v1/ci-healing/%252525252577ebhook/jenkins/{}",
    f"{WEBHOOK}/./jenkins/{{}}",
    f"{WEBHOOK}/jenkins/../jenkins/{{}}",
    f"{WEBHOOK}\\jenkins\\{{}}",
    f"{WEBHOOK}/jenkins;{{}}",
    f"{WEBHOOK}/{{}}",
    f"{WEBHOOK}/github/{{}}",
    f"{WEBHOOK}s/jenkins/{{}}",
    "/api/v1/ci-healing/jenkins/{}",
    "/jenkins/{}",
    f"/ci{WEBHOOK}/jenkins/{{}}",
    f"{WEBHOOK}/jenkins/%00{{}}",
    f"{WEBHOOK}/jenkins/%0A{{}}",
    f"{WEBHOOK}/jenkins/{{}}" + "/x" * 2_000,
    f"{WEBHOOK}/jenkins/?token={{}}",
    f"{WEBHOOK}/jenkins?{{}}",
    f"{WEBHOOK}/jenkins/é/{{}}",
]


@pytest.fixture(autouse=True)
def _secrets(settings: Any) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "WEBHOOK_SECRETS": {"": MAIN, "jenkins": TOKEN}}
    settings.ALLOWED_HOSTS = ["testserver"]


class Uvicorn:
    """What uvicorn does with a request, down to the line of its access log."""

    def __init__(self, path: str) -> None:
        from urllib.parse import unquote

        raw, _, query = path.partition("?")
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": unquote(raw),
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"testserver")],
            "client": ("203.0.113.9", 40000),
            "server": ("127.0.0.1", 8000),
        }
        self.status, self.body, self.asked = 0, b"", False

    async def receive(self) -> Any:
        if self.asked:
            await asyncio.Event().wait()
        self.asked = True
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")

    def line(self) -> str:
        from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string

        asyncio.run(asgi.application(self.scope, self.receive, self.send))
        return (
            f"{get_client_addr(self.scope)} {get_path_with_query_string(self.scope)}"
            f" {self.scope['raw_path']!r}"
        )


class Gunicorn:
    """What a WSGI server does with a request, down to its access log: `r` and `U` of gunicorn's
    format.
    """

    def __init__(self, path: str) -> None:
        from urllib.parse import unquote_to_bytes

        raw, _, query = path.partition("?")
        self.environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "RAW_URI": path,
            "REQUEST_URI": path,
            "PATH_INFO": unquote_to_bytes(raw).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "HTTP_HOST": "testserver",
            "CONTENT_LENGTH": "2",
            "CONTENT_TYPE": "application/json",
            "REMOTE_ADDR": "203.0.113.9",
            "wsgi.input": io.BytesIO(b"{}"),
            "wsgi.url_scheme": "http",
            "wsgi.errors": io.StringIO(),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SCRIPT_NAME": "",
        }
        self.status, self.body = 0, b""

    def line(self) -> str:
        def start(status: str, headers: Any, *rest: Any) -> None:
            self.status = int(status[:3])

        self.body = b"".join(wsgi.application(self.environ, start))
        kept = ("RAW_URI", "REQUEST_URI", "PATH_INFO", "QUERY_STRING")
        return " ".join(str(self.environ[name]) for name in kept)


@pytest.mark.django_db
@pytest.mark.parametrize("server", [Uvicorn, Gunicorn])
def test_no_log_and_no_answer_shows_it(server: Any, caplog: pytest.LogCaptureFixture) -> None:
    wrong = "wr0ng-" + TOKEN
    caplog.set_level(logging.DEBUG)
    for path in (f"{WEBHOOK}/jenkins/{{}}", *MISTYPED):
        caplog.clear()
        request = server(path.format(wrong))
        told = request.line()
        logged = "\n".join(
            record.getMessage() + str(vars(record).get("request", "")) for record in caplog.records
        )
        assert TOKEN not in told + logged + caplog.text + request.body.decode("utf-8", "replace"), (
            path
        )
        assert 400 <= request.status < 500, path


def test_a_crash_shows_it_neither(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: HttpRequest, **more: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(ingest, "_receive", broken)
    answer = Client(raise_request_exception=False).post(
        f"{WEBHOOK}/jenkins/{TOKEN}", data=b"{}", content_type="application/json"
    )
    assert answer.status_code == 500
    assert TOKEN not in caplog.text + answer.content.decode()
    assert "/webhook/jenkins/[token]" in caplog.text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/runs",
        "/login",
        "/healthz",
        WEBHOOK,
        f"{WEBHOOK}/",
        f"{WEBHOOK}/github",
        f"{WEBHOOK}/jenkins",
        "/100%/x",
        "/a%2/b",
        "/api/v1/ci-healing/runs/1/actions/approve",
        "/static/css/cihealing.css",
    ],
)
def test_other_paths_are_left_as_they_are(path: str) -> None:
    assert hidden(path) == (path, "")


def test_the_token_is_what_stands_there_and_nothing_is_decoded_twice() -> None:
    assert hidden(f"{PLACE}a%2Fb") == (f"{PLACE}{MASK}", "a%2Fb")
    assert hidden(f"{PLACE}a/b+c=") == (f"{PLACE}{MASK}", "a/b+c=")
    assert hidden(f"{PLACE}") == (PLACE, "")


@pytest.mark.parametrize(
    "path",
    [
        "/webhook" * 200_000,
        "/" * 1_000_000,
        "%25" * 500_000,
        "/webhook/jenkins/" + "%2525" * 390,
        "/webhook" * 240,
    ],
)
def test_a_hostile_path_costs_little(path: str) -> None:
    started = time.perf_counter()
    masked(path)
    assert time.perf_counter() - started < 2.0


def build(token: str) -> Any:
    client = Client(headers={"host": "testserver"})
    return client.post(
        f"{WEBHOOK}/jenkins/{token}",
        data=json.dumps(payloads.jenkins()),
        content_type="application/json",
    )


@pytest.mark.django_db
def test_jenkins_has_a_token_of_its_own_and_the_old_one_works_and_warns_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ingest._warn_of_old_path.cache_clear()
    assert build(TOKEN).status_code == 202
    assert caplog.text == ""
    assert [build(MAIN).status_code for _ in range(3)] == [202, 202, 202]
    assert caplog.text.count("CI_HEALING_WEBHOOK_SECRET_JENKINS") == 1
    assert MAIN not in caplog.text
    assert {row.hook for row in Delivery.objects.all()} == {"jenkins", hooks.old_url("jenkins")}


@pytest.mark.django_db
def test_doctor_tells_of_old_paths(settings: Any) -> None:
    assert signing.secret_in_url("jenkins").state == "ok"
    build(MAIN)
    assert "old URL" in signing.secret_in_url("jenkins").told
    settings.CI_HEALING = {**settings.CI_HEALING, "WEBHOOK_SECRETS": {"": MAIN}}
    assert "CI_HEALING_WEBHOOK_SECRET_JENKINS" in signing.secret_in_url("jenkins").told


@pytest.mark.django_db
def test_the_token_of_jenkins_opens_nothing_else() -> None:
    body = json.dumps(payloads.generic()).encode()
    for place, headers in (
        ("", {"x-hub-signature-256": payloads.hub(body, secret=TOKEN)}),
        (
            "/github",
            {
                "x-hub-signature-256": payloads.hub(body, secret=TOKEN),
                "x-github-event": "workflow_job",
            },
        ),
        ("/gitlab", {"x-gitlab-token": TOKEN}),
        ("/circleci", {"circleci-signature": payloads.circle(body, secret=TOKEN)}),
        ("/buildkite", {"x-buildkite-token": TOKEN}),
    ):
        assert (
            Client()
            .post(f"{WEBHOOK}{place}", data=body, content_type="application/json", headers=headers)
            .status_code
            == 401
        )
