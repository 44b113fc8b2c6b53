"""First start makes secrets nobody else can read, settings find them, and production refuses to run
without its own.
"""

from __future__ import annotations

import json
import os
import pty
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from cihealing import embedded, first_start, providers, strength
from cihealing.settings import Settings
from cihealing.web import tries
from cihealing.workshop.sandbox.launch import MARK
from config.asgi import bounded
from config.databases import database
from tests import forked

BASE = Path(__file__).resolve().parents[1]


def test_secrets_are_made_once_and_only_this_user_reads_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert first_start.make_secrets(data, environment={}) == list(first_start.SECRETS)
    before = {name: (data / name).read_text() for name in first_start.SECRETS}
    assert first_start.make_secrets(data, environment={}) == []
    assert before == {name: (data / name).read_text() for name in first_start.SECRETS}
    assert {path.stat().st_mode & 0o777 for path in data.iterdir()} == {0o600}
    assert data.stat().st_mode & 0o777 == 0o700
    assert len({*before.values()}) == len(before)
    assert (data / first_start.RECORD).read_text().split() == sorted(first_start.SECRETS)
    assert min(map(len, before.values())) >= 20


def test_a_secret_that_is_given_is_not_made(tmp_path: Path) -> None:
    given = {
        "CI_HEALING_WEBHOOK_SECRET": "given",
        "CI_HEALING_API_TOKEN_FILE": "/run/secrets/token",
    }
    assert first_start.make_secrets(tmp_path, environment=given) == [
        "secret_key",
        "webhook_secret_jenkins",
        "admin_password",
    ]


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    assert "secret_key" in first_start.make_secrets(tmp_path, environment={})
    assert len((tmp_path / "secret_key").read_text()) > 50


@pytest.mark.django_db
def test_the_first_admin_can_log_in_and_is_made_once(tmp_path: Path) -> None:
    first_start.make_secrets(tmp_path, environment={})
    password = first_start.ensure_admin(tmp_path)
    assert password == (tmp_path / "admin_password").read_text().strip()
    assert get_user_model().objects.get(username="admin").check_password(password or "")
    assert first_start.ensure_admin(tmp_path) is None


@pytest.mark.django_db
def test_an_admin_who_is_there_stays_the_only_one(tmp_path: Path) -> None:
    get_user_model().objects.create_superuser("grace", password="a long enough one")
    assert first_start.ensure_admin(tmp_path) is None
    assert not get_user_model().objects.filter(username="admin").exists()


def read(monkeypatch: pytest.MonkeyPatch, data: Path, **variables: str) -> Settings:
    for name in [
        name
        for name in os.environ
        if name.startswith("CI_HEALING_") or name in ("DATABASE_URL", "REDIS_URL")
    ]:
        monkeypatch.delenv(name)
    for name, value in {"CI_HEALING_DATA_DIR": str(data), **variables}.items():
        monkeypatch.setenv(name, value)
    return Settings.read(providers.settings())


def test_settings_find_the_secrets_of_first_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first_start.make_secrets(tmp_path, environment={})
    settings = read(monkeypatch, tmp_path)
    assert (
        settings.server.webhook_secret.get_secret_value()
        == (tmp_path / "webhook_secret").read_text().strip()
    )


def test_the_environment_goes_before_a_named_file_and_that_before_the_data_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "webhook_secret").write_text("data\n")
    (tmp_path / "named").write_text("named\n")
    named = {"CI_HEALING_WEBHOOK_SECRET_FILE": str(tmp_path / "named")}
    assert read(monkeypatch, tmp_path).webhook_secrets() == {"": "data"}
    assert read(monkeypatch, tmp_path, **named).webhook_secrets() == {"": "named"}
    assert read(
        monkeypatch, tmp_path, **named, CI_HEALING_WEBHOOK_SECRET="given"
    ).webhook_secrets() == {"": "given"}


def test_a_provider_may_have_a_secret_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = read(
        monkeypatch,
        tmp_path,
        CI_HEALING_WEBHOOK_SECRET="all",
        CI_HEALING_WEBHOOK_SECRET_GITHUB="new,old",
    ).webhook_secrets()
    assert found == {"": "all", "github": "new,old"}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"CI_HEALING_ENV": "production"},
            "CI_HEALING_SECRET_KEY and CI_HEALING_WEBHOOK_SECRET and CI_HEALING_API_TOKEN",
        ),
        (
            {
                "CI_HEALING_ENV": "production",
                "CI_HEALING_SECRET_KEY": "k",
                "CI_HEALING_API_TOKEN": "t",
            },
            ": set CI_HEALING_WEBHOOK_SECRET, or",
        ),
        ({"CI_HEALING_ENV": "staging"}, "CI_HEALING_ENV"),
        ({"CI_HEALING_MAX_ATTEMPTS": "0"}, "CI_HEALING_MAX_ATTEMPTS"),
        ({"CI_HEALING_SAFE_MODE": "perhaps"}, "CI_HEALING_SAFE_MODE"),
        ({"CI_HEALING_SANDBOX": "none"}, "CI_HEALING_SANDBOX"),
        (
            {"CI_HEALING_API_TOKEN_FILE": "/nowhere/at/all"},
            "CI_HEALING_API_TOKEN_FILE names /nowhere/at/all",
        ),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape(says)):
        read(monkeypatch, tmp_path, **variables)


def test_production_starts_with_its_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert (
        read(monkeypatch, tmp_path, CI_HEALING_ENV="production", **STRONG).server.env
        == "production"
    )


@pytest.mark.parametrize(
    ("variables", "overrides"),
    [
        ({}, {}),
        ({"CI_HEALING_SAFE_MODE": "false"}, {"safe_mode": False}),
        (
            {"CI_HEALING_ENABLED": "0", "CI_HEALING_MAX_ATTEMPTS": "2"},
            {"enabled": False, "max_attempts": 2},
        ),
        ({"CI_HEALING_SAFE_MODE": ""}, {}),
    ],
)
def test_only_what_is_set_overrides_the_policy(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: dict[str, str],
    overrides: dict[str, Any],
) -> None:
    assert read(monkeypatch, tmp_path, **variables).policy.overrides() == overrides


def test_hosts_are_a_list_and_default_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert {"localhost", "127.0.0.1", socket.gethostname().lower()} <= {
        *read(monkeypatch, tmp_path).server.allowed_hosts
    }
    assert read(
        monkeypatch, tmp_path, CI_HEALING_ALLOWED_HOSTS="ci.example.com, 10.0.0.1"
    ).server.allowed_hosts == ("ci.example.com", "10.0.0.1")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", {"ENGINE": "cihealing.sqlite", "NAME": "/data/cihealing.sqlite3"}),
        ("sqlite:////tmp/x.sqlite3", {"ENGINE": "cihealing.sqlite", "NAME": "//tmp/x.sqlite3"}),
        (
            "postgresql://a%40b:p%2Fw@db:6543/heal?sslmode=require",
            {
                "ENGINE": "cihealing.postgresql",
                "NAME": "heal",
                "USER": "a@b",
                "PASSWORD": "p/w",
                "HOST": "db",
                "PORT": "6543",
            },
        ),
        (
            "postgres://%2Fvar%2Frun%2Fpg/heal",
            {"HOST": "/var/run/pg", "NAME": "heal", "CONN_MAX_AGE": 0},
        ),
    ],
)
def test_a_database_url_is_read_whole(url: str, expected: dict[str, Any]) -> None:
    found = database(url, data_directory=Path("/data"), pool=3)
    assert expected.items() <= found.items()


def test_an_unknown_database_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="mysql://"):
        database("mysql://x/y", data_directory=Path("/data"), pool=3)


@pytest.mark.django_db
def test_a_name_is_locked_out_after_too_many_wrong_passwords(client: Client, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    get_user_model().objects.create_user("ann", password="the right one, really")

    def log_in(password: str) -> int:
        return client.post("/login", {"username": "ann", "password": password}).status_code

    assert {log_in("wrong") for _ in range(tries.TOGETHER - 1)} == {200}
    log_in("wrong")
    assert log_in("the right one, really") == 429


def test_a_page_may_load_nothing_from_elsewhere(client: Client, db: None) -> None:
    told = client.get("/login").headers
    policy = told["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert told["X-Frame-Options"] == "DENY"
    assert told["X-Content-Type-Options"] == "nosniff"
    assert told["Referrer-Policy"] == "same-origin"


async def answered(
    body: list[bytes], *, headers: list[tuple[bytes, bytes]]
) -> tuple[list[int], int]:
    """Statuses sent, and bytes the application got to see."""
    seen, sent = 0, list[int]()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal seen
        more = True
        while more:
            message = await receive()
            seen, more = seen + len(message["body"]), message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    messages = iter([{"body": part, "more_body": i < len(body) - 1} for i, part in enumerate(body)])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    await bounded(application, limit=10)({"type": "http", "headers": headers}, receive, send)
    return sent, seen


@pytest.mark.parametrize(
    ("body", "headers", "status", "seen"),
    [
        ([b"12345", b"67890"], [], 200, 10),
        ([b"12345", b"678901"], [], 413, 5),
        ([b"x"], [(b"content-length", b"11")], 413, 0),
        ([b"x"], [(b"content-length", b"lots")], 200, 1),
        ([b"x"], [(b"content-length", b"9" * 5000)], 200, 1),
    ],
)
def test_a_body_is_bounded_while_it_arrives(
    body: list[bytes], headers: list[tuple[bytes, bytes]], status: int, seen: int
) -> None:
    import asyncio

    assert asyncio.run(answered(body, headers=headers)) == ([status], seen)


def test_a_data_directory_serves_one_process(tmp_path: Path) -> None:
    with (
        embedded.locked(tmp_path),
        pytest.raises(embedded.AlreadyRunning, match=str(os.getpid())),
        embedded.locked(tmp_path),
    ):
        pass
    with embedded.locked(tmp_path):
        pass


def test_a_taken_port_is_told_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(embedded.CannotListen, match="in use"):
            embedded.listen("127.0.0.1", port=taken.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """Ours, without what a service would be set by."""
    ours = re.compile(r"CI_HEALING_|DATABASE_URL|REDIS_URL")
    return {name: value for name, value in os.environ.items() if not ours.match(name)}


def up_in(data: Path) -> list[str]:
    words = ["up", "--port", "0", "--no-demo", "--data", str(data)]
    return [sys.executable, "-m", "cihealing", *words]


class Running:
    """A `cihealing up` of its own, in a data directory of its own."""

    def __init__(self, data: Path, **variables: str) -> None:
        self.process = subprocess.Popen(
            up_in(data),
            cwd=BASE,
            env={**clean_environment(), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.up = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        if not self.up.wait(180):
            self.process.kill()
            raise AssertionError("did not come up:\n" + "".join(self.lines))

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line)
            if line.startswith("login:"):
                self.up.set()

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def url(self) -> str:
        found = re.search(r"cihealing is up: (\S+)", self.text)
        assert found
        return found[1]

    def end(self, number: int) -> tuple[int, float]:
        """Exit code, and seconds it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(30), time.monotonic() - began


@dataclass(frozen=True, kw_only=True)
class Started:
    """What one start said and answered, and how it ended."""

    text: str
    statuses: tuple[int, ...]
    code: int
    seconds: float


def start_and_end(data: Path, number: int, **variables: str) -> Started:
    service = Running(data, **variables)
    try:
        statuses = tuple(
            httpx.get(f"{service.url}{path}", trust_env=False).status_code
            for path in ("/healthz", "/login")
        )
        code, seconds = service.end(number)
    finally:
        service.process.kill()
        service.process.wait()
    return Started(text=service.text, statuses=statuses, code=code, seconds=seconds)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("started") / "data"


@pytest.fixture(scope="module")
def first(data: Path) -> Started:
    """The first start in a directory, ended as a service manager does."""
    return start_and_end(data, signal.SIGTERM)


@pytest.fixture(scope="module")
def second(data: Path, first: Started) -> Iterator[tuple[Started, int]]:
    """The next one there, switched off, ended from a keyboard; and how a sandbox ended that a
    service left which is gone.
    """
    left = subprocess.Popen(["sleep", "60"], env={MARK: "999999-1"})
    try:
        started = start_and_end(data, signal.SIGINT, CI_HEALING_ENABLED="false")
        yield started, left.wait(10)
    finally:
        left.kill()


def test_up_serves_and_ends_within_five_seconds(
    first: Started, second: tuple[Started, int]
) -> None:
    for start in (first, second[0]):
        assert start.statuses == (200, 200)
        assert start.code == 0, start.text
        assert start.seconds < 5
        assert "Traceback" not in start.text


def test_no_start_writes_a_password_into_a_log(
    first: Started, second: tuple[Started, int], data: Path
) -> None:
    password = (data / "admin_password").read_text().strip()
    assert password not in first.text
    assert f"(password in {data}/admin_password)" in first.text
    assert password not in second[0].text


def test_the_kill_switch_leaves_the_web_up(first: Started, second: tuple[Started, int]) -> None:
    assert "nothing is healed" not in first.text
    assert "nothing is healed" in second[0].text
    assert second[0].statuses == (200, 200)


def test_a_start_ends_the_sandboxes_of_a_service_that_is_gone(second: tuple[Started, int]) -> None:
    assert second[1] == -signal.SIGKILL


def test_doctor_tells_as_json(tmp_path: Path) -> None:
    environment = {**os.environ, "CI_HEALING_DATA_DIR": str(tmp_path / "none")}
    told = forked.run("cihealing", "doctor", "--json", environment=environment)
    findings = {
        finding["subject"]: finding["state"] for finding in json.loads(told.stdout)["findings"]
    }
    assert findings["git"] == "ok"
    assert findings["data directory"] == "note"
    assert set(findings.values()) <= {"ok", "note", "bad"}


def used_before(data: Path, *, how: str) -> None:
    """A data directory of an earlier start, in each way there is to know it by."""
    first_start.make_secrets(data, environment={})
    if how != "record":
        (data / first_start.RECORD).unlink()
    if how == "lock":
        (data / "lock").touch()
    if how == "deliveries":
        with closing(sqlite3.connect(data / "cihealing.sqlite3")) as told, told:
            told.execute("CREATE TABLE cihealing_delivery (id)")
            told.execute("INSERT INTO cihealing_delivery VALUES (1)")


@pytest.mark.parametrize("how", ["record", "lock", "deliveries"])
@pytest.mark.parametrize("name", ["webhook_secret", "secret_key", "api_token"])
@pytest.mark.parametrize("emptied", [True, False])
def test_a_secret_that_was_in_use_is_never_replaced_silently(
    tmp_path: Path, how: str, name: str, emptied: bool
) -> None:
    used_before(tmp_path, how=how)
    (tmp_path / name).unlink()
    if emptied:
        (tmp_path / name).write_text("\n")
    left = {path.name: path.read_text() for path in tmp_path.iterdir() if path.suffix != ".sqlite3"}
    with pytest.raises(
        first_start.SecretsGone, match=rf"{tmp_path}/{name} .* set CI_HEALING_{name.upper()}\."
    ):
        first_start.make_secrets(tmp_path, environment={})
    assert left == {
        path.name: path.read_text() for path in tmp_path.iterdir() if path.suffix != ".sqlite3"
    }


@pytest.mark.parametrize("how", ["record", "lock", "deliveries"])
def test_what_it_says_helps(tmp_path: Path, how: str) -> None:
    used_before(tmp_path, how=how)
    (tmp_path / "webhook_secret").unlink()
    assert (
        first_start.make_secrets(tmp_path, environment={"CI_HEALING_WEBHOOK_SECRET": "given"}) == []
    )
    (tmp_path / "webhook_secret").write_text("put back\n")
    assert first_start.make_secrets(tmp_path, environment={}) == []


def test_what_nobody_else_holds_is_made_anew(tmp_path: Path) -> None:
    used_before(tmp_path, how="record")
    (tmp_path / "admin_password").unlink()
    assert first_start.make_secrets(tmp_path, environment={}) == ["admin_password"]


def test_an_older_directory_gets_what_is_new(tmp_path: Path) -> None:
    used_before(tmp_path, how="lock")
    (tmp_path / "webhook_secret_jenkins").unlink()
    assert first_start.make_secrets(tmp_path, environment={}) == ["webhook_secret_jenkins"]
    (tmp_path / "webhook_secret_jenkins").unlink()
    with pytest.raises(first_start.SecretsGone):
        first_start.make_secrets(tmp_path, environment={})


def test_a_database_without_deliveries_is_no_use_of_it(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "cihealing.sqlite3")) as told, told:
        told.execute("CREATE TABLE cihealing_delivery (id)")
    assert first_start.make_secrets(tmp_path, environment={}) == list(first_start.SECRETS)


def test_the_command_says_it_in_one_line(tmp_path: Path) -> None:
    used_before(tmp_path, how="lock")
    (tmp_path / "webhook_secret").unlink()
    command = [
        sys.executable,
        "-m",
        "cihealing",
        "up",
        "--port",
        "0",
        "--no-demo",
        "--data",
        str(tmp_path),
    ]
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith("CI_HEALING_")
    }
    told = subprocess.run(
        command, cwd=BASE, env=clean, capture_output=True, text=True, check=False, timeout=60
    )
    assert told.returncode == 1
    assert told.stderr.startswith(
        f"cihealing: {tmp_path}/webhook_secret was in use and is gone. Put it back"
    )
    assert told.stderr.count("\n") == 1
    assert not (tmp_path / "webhook_secret").exists()


STRONG = {
    f"CI_HEALING_{name}": secrets.token_hex(32)
    for name in ("SECRET_KEY", "WEBHOOK_SECRET", "API_TOKEN")
}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"CI_HEALING_WEBHOOK_SECRET": "hunter2"},
            "CI_HEALING_WEBHOOK_SECRET has 7 characters; 20 are needed",
        ),
        ({"CI_HEALING_API_TOKEN": "x" * 40}, "CI_HEALING_API_TOKEN has about 0 bits"),
        ({"CI_HEALING_API_TOKEN": "abc123" * 10}, "CI_HEALING_API_TOKEN has about"),
        (
            {"CI_HEALING_SECRET_KEY": "abcdefghijklmnopqrstuvwxyz0123456789"},
            "CI_HEALING_SECRET_KEY has about",
        ),
        (
            {"CI_HEALING_SECRET_KEY": "please-change-me-your-secret-key-here"},
            "CI_HEALING_SECRET_KEY looks like a placeholder",
        ),
        (
            {"CI_HEALING_SECRET_KEY": "django-insecure-" + secrets.token_hex(25)},
            "CI_HEALING_SECRET_KEY is a key Django made",
        ),
        (
            {"CI_HEALING_API_TOKEN": "ChangeMe"},
            "CI_HEALING_API_TOKEN is a word that is tried first",
        ),
        ({"CI_HEALING_METRICS_TOKEN": "prometheus"}, "CI_HEALING_METRICS_TOKEN has 10"),
        (
            {"CI_HEALING_WEBHOOK_SECRET": secrets.token_hex(32) + ",old"},
            "CI_HEALING_WEBHOOK_SECRET has 3",
        ),
        ({"CI_HEALING_WEBHOOK_SECRET_GITLAB": "gitlab"}, "CI_HEALING_WEBHOOK_SECRET_GITLAB has 6"),
        (
            {"CI_HEALING_API_TOKEN": STRONG["CI_HEALING_SECRET_KEY"]},
            "CI_HEALING_SECRET_KEY and CI_HEALING_API_TOKEN are one secret",
        ),
        (
            {"CI_HEALING_WEBHOOK_SECRET_JENKINS": STRONG["CI_HEALING_WEBHOOK_SECRET"]},
            "CI_HEALING_WEBHOOK_SECRET and CI_HEALING_WEBHOOK_SECRET_JENKINS are one secret",
        ),
    ],
)
def test_production_refuses_secrets_that_can_be_guessed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match="openssl rand -hex 32") as refused:
        read(monkeypatch, tmp_path, CI_HEALING_ENV="production", **{**STRONG, **variables})
    assert says in str(refused.value)
    assert not any(secret in str(refused.value) for secret in STRONG.values())
    assert read(monkeypatch, tmp_path, **{**STRONG, **variables}).server.env == "embedded"


def test_secrets_as_they_are_made_are_strong() -> None:
    made = [
        secrets.token_urlsafe(size) for size in first_start.SECRETS.values() for _ in range(300)
    ]
    made += [secrets.token_hex(size) for size in (16, 32) for _ in range(300)] + [
        "whsec_" + secrets.token_urlsafe(24) for _ in range(300)
    ]
    assert [secret for secret in made if strength.weakness(secret)] == []
    assert not strength.weakness("cihealing-webhook-" + secrets.token_hex(20)), (
        "a name before it makes it no weaker"
    )


def started_in_a_terminal(data: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """What `up` shows a person."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        up_in(data),
        cwd=BASE,
        env=clean_environment(),
        stdout=its,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    os.close(its)
    shown = b""
    while b"login:" not in shown or not shown.endswith(b"\n"):
        shown += os.read(ours, 4096)
    return shown.decode(), process


def test_a_person_at_a_terminal_is_shown_the_first_password(tmp_path: Path) -> None:
    shown, process = started_in_a_terminal(tmp_path / "data")
    process.kill()
    process.wait()
    assert f"admin / {(tmp_path / 'data' / 'admin_password').read_text().strip()}" in shown
    assert (tmp_path / "data" / "admin_password").stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
@pytest.mark.parametrize("password", ["hunter2", "password123456"])
def test_a_weak_password_of_the_first_admin_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("CI_HEALING_ADMIN_PASSWORD", password)
    with pytest.raises(first_start.NoPassword, match="CI_HEALING_ADMIN_PASSWORD") as refused:
        first_start.ensure_admin(tmp_path)
    assert password not in str(refused.value)
    assert not get_user_model().objects.exists()


@pytest.mark.django_db
def test_the_first_password_may_lie_in_a_file_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_HEALING_ADMIN_PASSWORD_FILE", str(tmp_path / "named"))
    with pytest.raises(first_start.NoPassword, match="named: No such file"):
        first_start.ensure_admin(tmp_path)
    (tmp_path / "named").write_text("a long enough one\n")
    assert first_start.ensure_admin(tmp_path) == "a long enough one"
