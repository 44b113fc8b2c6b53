"""What `cihealing doctor` finds: secrets that are weak, ways of signing that are not taken, other
sides that do not answer.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings as conf
from django.db import connection
from pytest_django.fixtures import Settings

from cihealing import first_start, registry
from cihealing.cli import doctor
from cihealing.cli.shared import outside, signing
from cihealing.cli.shared.findings import Advice
from cihealing.providers.github import app as github_app
from cihealing.providers.github import manifest as github_manifest
from cihealing.providers.github import members
from cihealing.providers.github.settings import GitHubSettings
from tests.forges.github import FakeGitHub
from tests.forges.gitlab import FakeGitLab
from tests.forges.slack import FakeSlack, refusing
from tests.groups import changed

STRONG = "9f8e7d6c5b4a39281706f5e4d3c2b1a0ffee"
STANDARD = "whsec_" + base64.b64encode(bytes(range(24))).decode()


@pytest.fixture(autouse=True)
def bare(settings: Settings) -> None:
    """No secret of the machine the tests run on."""
    settings.CI_HEALING = {**settings.CI_HEALING, "WEBHOOK_SECRETS": {"": STRONG}}
    settings.SECRET_KEY = "k3y" + STRONG


WAYS = registry.offered(lambda one: one.sign)


def said(subject: str) -> Advice:
    """What doctor says when it asks this of the other side."""
    ((name, check),) = [
        (name, check)
        for name, one in registry.PROVIDERS.items()
        for check in one.checks
        if check.subject == subject
    ]
    return outside.answer(check, registry.own(name))


def use(settings: Settings, **given: Any) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, **given}
    texts = {name: text for name, text in given.items() if isinstance(text, str)}
    settings.ENVIRONMENT = changed(settings.ENVIRONMENT, texts)


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        ({"": "secret"}, "CI_HEALING_WEBHOOK_SECRET is a word that is tried first"),
        ({"github": "hunter2"}, "CI_HEALING_WEBHOOK_SECRET_GITHUB has 7 characters"),
        ({"gitlab": "a" * 100}, "CI_HEALING_WEBHOOK_SECRET_GITLAB has about 0 bits"),
        ({"github": f"{STRONG},short"}, "CI_HEALING_WEBHOOK_SECRET_GITHUB has 5 characters"),
        (
            {"github": STRONG, "gitlab": STRONG},
            "CI_HEALING_WEBHOOK_SECRET_GITHUB and CI_HEALING_WEBHOOK_SECRET_GITLAB are one secret",
        ),
    ],
)
def test_a_weak_or_shared_secret_is_bad(
    settings: Settings, secrets: dict[str, str], told: str
) -> None:
    use(settings, WEBHOOK_SECRETS=secrets)
    found = signing.strength()
    assert found.state == "bad"
    assert told in found.told
    assert "openssl rand" in found.told
    assert not any(value in found.told for value in ("hunter2", STRONG))


def test_the_key_of_the_pages_counts_too(settings: Settings) -> None:
    settings.SECRET_KEY = "changeme"
    assert "CI_HEALING_SECRET_KEY is a word" in signing.strength().told


def test_strong_secrets_are_fine() -> None:
    assert signing.strength().state == "ok"


@pytest.mark.parametrize("provider", sorted(WAYS))
@pytest.mark.parametrize("secret", [STRONG, STANDARD, "töken-with-ümlauts"])
def test_each_providers_way_is_taken_and_a_forgery_is_not(provider: str, secret: str) -> None:
    assert signing.fault(provider, secret) == ""


def test_every_provider_has_its_way() -> None:
    assert set(WAYS) == set(registry.offered(lambda one: one.hook)) - {"local"}


@pytest.mark.parametrize("provider", sorted(WAYS))
def test_a_verification_that_takes_everything_or_nothing_is_found(
    monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    from cihealing.ports import BadSignature

    def nothing(request: Any, secrets: Any) -> str:
        raise BadSignature("never")

    adapter = registry.PROVIDERS[provider].hook
    monkeypatch.setattr(adapter, "verify", lambda request, secrets: "id")
    assert signing.fault(provider, STRONG) == "a forged delivery is taken"
    monkeypatch.setattr(adapter, "verify", nothing)
    assert "refused: never" in signing.fault(provider, STRONG)


def test_all_hooks_are_tried(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    found = signing.signatures()
    assert (found.state, found.told.count("github")) == ("ok", 1)
    use(settings, WEBHOOK_SECRETS={"": ""})
    assert signing.signatures().state == "note"
    use(settings, WEBHOOK_SECRETS={"jenkins": STRONG})
    monkeypatch.setattr(registry.PROVIDERS["jenkins"].hook, "verify", lambda request, secrets: "id")
    found = signing.signatures()
    assert (found.state, found.told) == ("bad", "jenkins: a forged delivery is taken")


def test_before_the_first_start_nothing_is_bad(settings: Settings, tmp_path: Path) -> None:
    """Nothing is made by looking, either."""
    use(
        settings,
        WEBHOOK_SECRETS={"": "", "jenkins": STRONG},
        API_TOKEN="",
        METRICS_TOKEN="",
        DATA_DIR=tmp_path,
    )
    for kept in (tmp_path / "none", tmp_path):
        use(settings, DATA_DIR=kept)
        with never_made(kept / "cihealing.sqlite3"):
            states = {
                check: check()
                for check in (
                    doctor.data_directory,
                    doctor.database,
                    doctor.webhook_secret,
                    signing.strength,
                    partial(signing.secret_in_url, "jenkins"),
                )
            }
        assert not list(tmp_path.iterdir())
        assert "bad" not in {finding.state for finding in states.values()}
        for check in (doctor.database, doctor.webhook_secret):
            assert states[check].state == "note"
            assert f"`cihealing up` makes {kept}" in states[check].told
    use(settings, WEBHOOK_SECRETS={"": ""})
    assert signing.strength().state == "note"


@contextmanager
def never_made(place: Path) -> Iterator[None]:
    """As if the database were a file that is not there."""
    given = connection.settings_dict
    with (
        patch.object(connection, "settings_dict", {**given, "NAME": str(place)}),
        patch.object(connection, "vendor", "sqlite"),
    ):
        yield


def test_a_webhook_secret_that_was_lost_is_bad(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / first_start.RECORD).write_text("webhook_secret\n")
    use(settings, WEBHOOK_SECRETS={"": ""}, DATA_DIR=tmp_path)
    assert doctor.webhook_secret().state == "bad"


def test_without_credentials_each_side_says_what_to_set(settings: Settings) -> None:
    use(
        settings,
        GITHUB_TOKEN="",
        GITHUB_APP_ID="",
        GITLAB_TOKEN="",
        JENKINS_TOKEN="",
        SLACK_BOT_TOKEN="",
    )
    assert {finding.state for finding in outside.asked()} == {"note"}


def plain(settings: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix("CI_HEALING_"): value for name, value in settings.items()}


def test_a_gitlab_token_that_may_too_much_is_told(settings: Settings) -> None:
    with FakeGitLab() as lab:
        use(settings, **plain(lab.settings))
        assert said("gitlab").state == "ok"
        lab.scopes = ["api", "sudo"]
        assert (said("gitlab").state, said("gitlab").told) == (
            "note",
            "the GitLab token may do more than is needed: sudo",
        )
    assert said("gitlab").state == "bad"


def test_a_github_token_that_may_too_much_is_told(settings: Settings) -> None:
    with FakeGitHub() as hub:
        use(settings, **plain(hub.settings))
        assert said("github scopes").state == "ok"
        hub.scopes = "repo, admin:org"
        assert said("github scopes").state == "note"
    assert said("github scopes").state == "bad"


def test_slack_knows_the_bot_or_says_why_not(settings: Settings) -> None:
    with FakeSlack() as slack:
        use(settings, **plain(slack.settings))
        slack.scripted["auth.test"] = [None, refusing("invalid_auth"), None]
        assert said("slack bot").state == "ok"
        assert said("slack bot").state == "bad"
        use(settings, SLACK_CHANNEL="")
        assert "CI_HEALING_SLACK_CHANNEL" in said("slack bot").told


class Jenkins:
    """`GET /whoAmI/api/json`."""

    def __init__(self) -> None:
        self.status, self.told, self.seen = (
            200,
            json.dumps({"anonymous": False, "authenticated": True, "name": "bot"}),
            list[str](),
        )
        jenkins = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                jenkins.seen.append(f"{self.path} {self.headers.get('Authorization')}")
                self.send_response(jenkins.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(jenkins.told)))
                self.end_headers()
                self.wfile.write(jenkins.told.encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def jenkins(settings: Settings) -> Iterator[Jenkins]:
    made = Jenkins()
    threading.Thread(
        target=made.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    use(settings, JENKINS_URL=made.url, JENKINS_USER="bot", JENKINS_TOKEN="11aa22")
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_jenkins_knows_the_user(jenkins: Jenkins) -> None:
    assert said("jenkins").state == "ok"
    assert jenkins.seen == [f"/whoAmI/api/json Basic {base64.b64encode(b'bot:11aa22').decode()}"]


@pytest.mark.parametrize(
    ("status", "told", "state"),
    [
        (200, '{"anonymous": true, "authenticated": true}', "note"),
        (200, '{"authenticated": false}', "note"),
        (200, "<html>", "bad"),
        (401, "", "bad"),
        (403, "", "bad"),
        (503, "", "bad"),
    ],
)
def test_a_jenkins_that_does_not_is_told(
    jenkins: Jenkins, status: int, told: str, state: str
) -> None:
    jenkins.status, jenkins.told = status, told
    assert said("jenkins").state == state


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        (
            {"contents": "read"},
            [
                "contents: write is missing (clone; push the branch cihealing/<run> of an approved"
                " fix)"
            ],
        ),
        (
            {"checks": ""},
            [
                "checks: write is missing (hear of red checks, follow a change's own CI, show a"
                " diagnosis at the commit)"
            ],
        ),
        ({"workflows": "write"}, ["workflows: write is more than is needed"]),
        ({"contents": "admin"}, ["contents: admin is more than is needed"]),
        ({"statuses": "write"}, ["statuses: write is more than is needed"]),
        ({"secrets": "read"}, ["secrets: read is more than is needed"]),
    ],
)
def test_permissions_are_compared_with_what_is_needed(
    change: dict[str, str], told: list[str]
) -> None:
    granted = {**{p.name: p.level for p in github_manifest.PERMISSIONS}, **change}
    assert github_manifest.compared(granted) == told


def test_an_app_is_asked_for_its_permissions(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(
        settings,
        GITHUB_APP_ID="1",
        GITHUB_APP_PRIVATE_KEY="no key",
        GITHUB_API_URL="http://127.0.0.1:9",
    )
    assert said("github app").state == "bad"
    monkeypatch.setattr(
        github_app, "permissions", lambda told: {"metadata": "read", "workflows": "write"}
    )
    assert "workflows: write is more than is needed" in said("github app").told
    assert said("github scopes").told == "an App signs in: see github app"
    assert conf.ENVIRONMENT.providers["github"].github_app_id == "1"


def test_at_start_a_token_that_may_too_much_is_warned_of(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeGitHub() as hub, FakeGitLab() as lab:
        use(
            settings,
            **plain(hub.settings),
            **{k: v for k, v in plain(lab.settings).items() if k.startswith("GITLAB")},
        )
        hub.scopes, lab.scopes = "repo, admin:org", ["api", "sudo"]
        registry.warn_of_excess()
    assert [
        r.getMessage()
        for r in caplog.records
        if r.levelname == "WARNING" and r.name == "cihealing.registry"
    ] == [
        "the GitHub token may do more than is needed: admin:org",
        "the GitLab token may do more than is needed: sudo",
    ]


def test_at_start_a_forge_that_is_not_there_holds_nothing_up(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    use(settings, GITHUB_TOKEN="ghp_x", GITHUB_API_URL="http://127.0.0.1:9", GITHUB_APP_ID="")
    registry.warn_of_excess()
    assert not [
        r for r in caplog.records if r.levelname == "WARNING" and r.name == "cihealing.registry"
    ]


def test_at_start_an_app_is_looked_at(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    use(settings, GITHUB_APP_ID="1", GITHUB_APP_PRIVATE_KEY="k")
    monkeypatch.setattr(
        github_app, "permissions", lambda told: {"metadata": "read", "workflows": "write"}
    )
    assert members.excess(registry.own_of(GitHubSettings)) == [
        "the GitHub App may do more: workflows: write is more than is needed"
    ]
