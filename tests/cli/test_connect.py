"""`cihealing connect github`, against a GitHub that gives one code and takes it once."""

from __future__ import annotations

import json
import re
import stat
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from cihealing.cli.shared.found import call_command
from cihealing.cli.shared.once import Once
from cihealing.providers.github import manifest as github_manifest
from cihealing.providers.github.settings import GitHubSettings
from tests.groups import changed

CODE = "a180b1a3d263c81bc6441d7b990bae27d4c10679"
# gitleaks:allow
PEM = "-----BEGIN RSA PRIVATE KEY-----\nnot-a-real-one\n-----END RSA PRIVATE KEY-----\n"
MADE = {
    "id": 4711,
    "slug": "cihealing-acme",
    "html_url": "https://github.example/apps/cihealing-acme",
    "pem": PEM,
    "webhook_secret": "hook-secret",
    "client_id": "Iv1.8a61f9b3a7aba766",
    "client_secret": "1726be1638095a19edd134c77bde3aa2ece1e5d8",
    "node_id": "x",
    "owner": {"login": "acme"},
}


class Hub:
    """POST /api/v3/app-manifests/CODE/conversions: 201 the first time, 404 afterwards, or what
    `status` and `body` say.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status, self.body = 201, json.dumps(MADE)
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hub.asked.append(self.path)
                known = (
                    self.path == f"/api/v3/app-manifests/{CODE}/conversions" and len(hub.asked) == 1
                )
                self.send_response(hub.status if known else 404)
                self.end_headers()
                self.wfile.write(hub.body.encode() if known else b'{"message": "Not Found"}')

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api/v3"


@pytest.fixture
def hub(settings: Settings, tmp_path: Path) -> Iterator[Hub]:
    made = Hub()
    threading.Thread(
        target=made.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    settings.CI_HEALING = {
        **settings.CI_HEALING,
        "URL": "https://heal.example",
        "DATA_DIR": tmp_path,
    }
    settings.ENVIRONMENT = changed(
        settings.ENVIRONMENT, {"GITHUB_API_URL": made.url, "GITHUB_APP_ID": ""}
    )
    yield made
    made.server.shutdown()
    made.server.server_close()


def connect(*words: str, **options: Any) -> str:
    out = StringIO()
    call_command("connect", "github", *words, stdout=out, **options)
    return out.getvalue()


def test_the_manifest_asks_for_what_is_needed_and_never_for_workflows(hub: Hub) -> None:
    made = json.loads(connect("--print-manifest"))
    assert made["default_permissions"] == {
        "metadata": "read",
        "actions": "write",
        "checks": "write",
        "statuses": "read",
        "contents": "write",
        "pull_requests": "write",
    }
    assert made["hook_attributes"] == {
        "url": "https://heal.example/api/v1/ci-healing/webhook/github",
        "active": True,
    }
    assert made["public"] is False
    assert {"pull_request", "push", "workflow_job"} <= set(made["default_events"])
    assert hub.asked == []


def test_each_permission_has_its_reason() -> None:
    assert all(len(p.reason) > 10 for p in github_manifest.PERMISSIONS)


@pytest.mark.parametrize(
    "url", ["", "http://heal.example", "heal.example", "https://", "https://heal.example/?a=b"]
)
def test_github_must_reach_the_service_by_https(hub: Hub, settings: Settings, url: str) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "URL": ""}
    with pytest.raises(CommandError, match="https"):
        connect("--print-manifest", url=url)


def test_without_a_webhook_nothing_is_delivered(hub: Hub, settings: Settings) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "URL": ""}
    made = json.loads(connect("--print-manifest", "--no-webhook"))
    assert (made["hook_attributes"]["active"], made["default_events"]) == (False, [])


@pytest.mark.parametrize(
    ("api", "site"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://ghe.corp.example/api/v3", "https://ghe.corp.example"),
        ("https://ghe.corp.example:8443/api/v3/", "https://ghe.corp.example:8443"),
    ],
)
def test_the_form_is_at_the_site_of_the_api(api: str, site: str) -> None:
    assert github_manifest.site_of(GitHubSettings(github_api_url=api)) == site


def test_the_form_of_an_organization() -> None:
    assert (
        github_manifest.form_url("https://g", organization="acme", state="s")
        == "https://g/organizations/acme/settings/apps/new?state=s"
    )
    assert (
        github_manifest.form_url("https://g", organization="", state="a&b")
        == "https://g/settings/apps/new?state=a%26b"
    )
    with pytest.raises(ValueError, match="no name"):
        github_manifest.form_url("https://g", organization="../x", state="s")


def test_a_code_brings_the_key_into_files_only_this_user_reads(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = connect(code=CODE)
    assert (tmp_path / "github_app_id").read_text() == "4711\n"
    assert (tmp_path / "github_app_private_key").read_text().strip() == PEM.strip()
    assert (tmp_path / "webhook_secret_github").read_text() == "hook-secret\n"
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert not any(
        secret in said for secret in ("not-a-real-one", "hook-secret", MADE["client_secret"])
    )
    assert "https://github.example/apps/cihealing-acme/installations/new" in said
    monkeypatch.setenv("CI_HEALING_DATA_DIR", str(tmp_path))
    read = GitHubSettings.read()
    assert read.app == ("4711", PEM.strip())
    assert read.webhook_secret_github.get_secret_value() == "hook-secret"


def test_a_code_is_good_once(hub: Hub) -> None:
    connect(code=CODE)
    with pytest.raises(CommandError, match="was used, or is older than an hour"):
        connect("--again", code=CODE)


@pytest.mark.parametrize("code", ["../../user", "a", "x" * 500, "abc def ghi jkl", ""])
def test_what_is_no_code_is_not_sent(hub: Hub, code: str) -> None:
    with pytest.raises(CommandError):
        connect("--wait", "0.1", code=code)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (500, "", "GitHub answered 500"),
        (429, "", "GitHub answered 429"),
        (302, "", "GitHub answered 302"),
        (201, "<html>", "cannot be read"),
        (201, "[]", "cannot be read"),
        (201, "{}", "names no App"),
        (201, json.dumps({**MADE, "id": "../x"}), "names no App"),
        (201, json.dumps({**MADE, "pem": None}), "names no App"),
        (201, " " * 300_000, "cannot be read"),
    ],
)
def test_an_answer_that_is_no_app_keeps_nothing(
    hub: Hub, tmp_path: Path, status: int, body: str, told: str
) -> None:
    hub.status, hub.body = status, body
    with pytest.raises(CommandError, match=told):
        connect(code=CODE)
    assert list(tmp_path.iterdir()) == []


def test_an_app_that_is_there_is_not_replaced_by_a_slip(
    hub: Hub, settings: Settings, tmp_path: Path
) -> None:
    settings.ENVIRONMENT = changed(settings.ENVIRONMENT, {"GITHUB_APP_ID": "1"})
    with pytest.raises(CommandError, match="there is the App 1 already"):
        connect(code=CODE)
    (tmp_path / "github_app_private_key").write_text("the old one\n")
    connect("--again", code=CODE)
    assert (tmp_path / "github_app_private_key.old").read_text() == "the old one\n"


class Form(HTMLParser):
    action, manifest = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.action = given.get("action") or ""
        elif given.get("name") == "manifest":
            self.manifest = given.get("value") or ""


def get(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=5
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, ""


@pytest.fixture
def once() -> Iterator[Once]:
    made = Once()
    made.ask({"name": "<b>"}, action="https://g/new?state=s&x", reasons={"contents: write": "<i>"})
    yield made
    made.wait(0)


def test_the_page_leads_to_github_with_the_manifest(once: Once) -> None:
    status, page = get(once.url)
    form = Form()
    form.feed(page)
    assert (status, form.action, json.loads(form.manifest)) == (
        200,
        "https://g/new?state=s&x",
        {"name": "<b>"},
    )
    assert "<i>" not in page


@pytest.mark.parametrize(
    "query",
    ["", "code=abcdefgh", "code=abcdefgh&state=", "code=abcdefgh&state=guessed", "state={state}"],
)
def test_nobody_else_brings_a_code(once: Once, query: str) -> None:
    assert get(f"{once.url}/callback?{query.format(state=once.state)}")[0] == 404
    assert once.code == ""


def test_another_name_of_this_address_is_no_way_in(once: Once) -> None:
    assert (
        get(f"{once.url}/callback?code=abcdefgh&state={once.state}", Host="evil.example")[0] == 404
    )
    assert get(once.url, Host="evil.example")[0] == 404
    assert once.code == ""


def test_the_first_right_answer_counts(once: Once) -> None:
    assert get(f"{once.url}/callback?code=first-code&state={once.state}")[0] == 200
    assert get(f"{once.url}/callback?code=second-code&state={once.state}")[0] == 404
    assert once.wait(1) == "first-code"


def test_from_the_page_to_the_files(hub: Hub, tmp_path: Path) -> None:
    """The whole way, with a browser that only follows."""
    out = StringIO()
    thread = threading.Thread(
        target=lambda: call_command("connect", "github", "--wait", "20", stdout=out), daemon=True
    )
    thread.start()
    deadline = time.monotonic() + 10
    while (
        not (found := re.search(r"http://127\.0\.0\.1:\d+", out.getvalue()))
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    assert found
    form = Form()
    form.feed(get(found[0])[1])
    state = form.action.partition("state=")[2]
    assert form.action.startswith(hub.url.removesuffix("/api/v3") + "/settings/apps/new?")
    assert json.loads(form.manifest)["redirect_url"] == f"{found[0]}/callback"
    assert get(f"{found[0]}/callback?code={CODE}&state={state}")[0] == 200
    thread.join(10)
    assert (tmp_path / "github_app_id").read_text() == "4711\n"


def test_nobody_coming_back_is_told(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nobody came back"):
        connect("--wait", "0.1")
    assert list(tmp_path.iterdir()) == []
