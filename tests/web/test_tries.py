"""Guessing passwords and tokens: by address, by name and together; and nobody is kept out for
ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.test import Client

from cihealing.settings import networks
from cihealing.web import tries
from cihealing.web.tries import WAIT

pytestmark = pytest.mark.django_db
RIGHT, HERE, THERE = "the right one, really", "203.0.113.9", "198.51.100.7"
TOKEN = "an-api-token-for-these-tests"
TOGETHER, BY_ADDRESS, BY_NAME, KNOWN_BROWSER, TOKENS = 3, 5, 7, 3, 4
"""Smaller than they are, so that a test is over soon."""


def test_the_bounds_are_what_the_documentation_says() -> None:
    told = [int(number) for number in re.findall(r"\| (\d+)", tries.__doc__ or "")]
    assert told == [*BOUNDS.values()] == [8, 30, 60, 8, 30]
    assert timedelta(minutes=15) == WAIT


NAMES = ("TOGETHER", "BY_ADDRESS", "BY_NAME", "KNOWN_BROWSER", "TOKENS")
BOUNDS = {name: getattr(tries, name) for name in NAMES}


@pytest.fixture(autouse=True)
def clock(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Coordinates]:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.CI_HEALING = {
        **settings.CI_HEALING,
        "API_TOKEN": TOKEN,
        "METRICS_TOKEN": "",
        "METRICS_ALLOW": ["127.0.0.1"],
    }
    for name in NAMES:
        monkeypatch.setattr(tries, name, globals()[name])
    for name in ("ann", "bob"):
        get_user_model().objects.create_user(name, password=RIGHT)
    with time_machine.travel(datetime(2026, 11, 2, 9, tzinfo=UTC), tick=False) as at:
        yield at


def log_in(
    name: str = "ann",
    password: str = "wrong",
    *,
    at: str = HERE,
    client: Client | None = None,
    **headers: str,
) -> int:
    """The status: 200 for a wrong password, 302 for a right one, 429 where neither is looked at."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return (
        (client or Client())
        .post("/login", {"username": name, "password": password}, REMOTE_ADDR=at, headers=given)
        .status_code
    )


def test_a_name_from_an_address() -> None:
    assert {log_in() for _ in range(TOGETHER - 1)} == {200}
    assert log_in() == 429
    assert log_in(password=RIGHT) == 429
    assert log_in("bob", RIGHT) == 302
    assert log_in(password=RIGHT, at=THERE) == 302


def test_an_address_whatever_the_names() -> None:
    assert {log_in(f"name-{number}") for number in range(BY_ADDRESS - 1)} == {200}
    assert log_in("one-more") == 429
    assert log_in("bob", RIGHT) == 429
    assert log_in("bob", RIGHT, at=THERE) == 302


def test_a_name_whatever_the_addresses() -> None:
    assert {log_in(at=f"192.0.2.{number}") for number in range(BY_NAME - 1)} == {200}
    assert log_in(at="192.0.2.200") == 429
    assert log_in(password=RIGHT, at=THERE) == 429
    assert log_in("bob", RIGHT, at=THERE) == 302


def test_a_right_password_of_ones_own_forgets_nothing_of_other_names() -> None:
    for number in range(BY_ADDRESS - 1):
        assert log_in(f"name-{number}") == 200
        assert number % 2 or log_in("bob", RIGHT) == 302
    assert log_in("one-more") == 429


def test_another_browser_is_the_same_address() -> None:
    assert {log_in(User_Agent=f"browser {number}") for number in range(TOGETHER - 1)} == {200}
    assert log_in(User_Agent="another") == 429


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X_Forwarded_For"])
def test_a_header_makes_no_other_address_of_one(header: str) -> None:
    """From loopback, which servers like to trust."""
    answers = [
        log_in(f"name-{n}", at="127.0.0.1", **{header: f"192.0.2.{n}"}) for n in range(BY_ADDRESS)
    ]
    assert answers == [200] * (BY_ADDRESS - 1) + [429]


def test_behind_a_trusted_proxy_each_client_is_counted_for_itself(settings: Any) -> None:
    settings.CI_HEALING = {**settings.CI_HEALING, "TRUSTED_PROXIES": networks(["127.0.0.1"])}
    for n in range(BY_ADDRESS):
        log_in(f"name-{n}", at="127.0.0.1", X_Forwarded_For=f"1.1.1.{n}, {HERE}")
    assert log_in("bob", RIGHT, at="127.0.0.1", X_Forwarded_For=HERE) == 429
    assert log_in("bob", RIGHT, at="127.0.0.1", X_Forwarded_For=THERE) == 302


def test_a_client_has_the_whole_of_its_ipv6_network() -> None:
    assert {log_in(f"name-{n}", at=f"2001:db8::{n:x}") for n in range(BY_ADDRESS - 1)} == {200}
    assert log_in("one-more", at="2001:db8::ffff:1") == 429
    assert log_in("bob", RIGHT, at="2001:db8:0:1::1") == 302


def test_after_a_quarter_of_an_hour_one_may_try_again_whatever_was_tried_meanwhile(
    clock: time_machine.Coordinates,
) -> None:
    for number in range(BY_ADDRESS):
        log_in(f"name-{number}")
    for _ in range(10):
        assert log_in("bob", RIGHT) == 429
        clock.shift(WAIT.total_seconds() / 10)
    clock.shift(1)
    assert log_in("bob", RIGHT) == 302


def test_it_says_when() -> None:
    for _ in range(TOGETHER - 1):
        log_in()
    answer = Client().post("/login", {"username": "ann", "password": "wrong"}, REMOTE_ADDR=HERE)
    assert (answer.status_code, answer["Retry-After"]) == (429, "900")


def browser_of(name: str) -> Client:
    client = Client()
    assert log_in(name, RIGHT, client=client) == 302
    client.post("/logout")
    return client


def test_a_browser_one_signed_in_with_is_kept_out_by_nobody_else() -> None:
    mine = browser_of("ann")
    for number in range(BY_ADDRESS):
        log_in(f"name-{number}")
    for number in range(BY_NAME):
        log_in(at=f"192.0.2.{number}")
    assert log_in(password=RIGHT) == 429
    assert log_in(password=RIGHT, client=mine) == 302


def test_it_has_a_limit_of_its_own() -> None:
    mine = browser_of("ann")
    assert {log_in(client=mine) for _ in range(KNOWN_BROWSER - 1)} == {200}
    assert log_in(client=mine) == 429
    assert log_in(password=RIGHT, client=mine) == 429
    assert log_in(password=RIGHT) == 302, "and what is tried there counts against nobody else"


def test_it_is_known_for_its_own_name_alone() -> None:
    bobs = browser_of("bob")
    for _ in range(TOGETHER):
        log_in("ann")
    assert log_in("ann", RIGHT, client=bobs) == 429


@pytest.mark.parametrize("cookie", ["", "x", "x:y:z", "é", "e30:1:a" * 1_000])
def test_a_cookie_that_is_made_up_says_nothing(cookie: str) -> None:
    client = Client()
    client.cookies[tries.BROWSER] = cookie
    assert {log_in(client=client) for _ in range(TOGETHER - 1)} == {200}
    assert log_in(client=client) == 429


def test_the_cookie_is_for_the_login_alone() -> None:
    cookie = browser_of("ann").cookies[tries.BROWSER]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/login", True, "Lax")


def ask(token: str, *, at: str = HERE, path: str = "/api/v1/ci-healing/runs") -> int:
    return (
        Client().get(path, headers={"Authorization": f"Bearer {token}"}, REMOTE_ADDR=at).status_code
    )


@pytest.mark.parametrize("path", ["/api/v1/ci-healing/runs", "/metrics"])
def test_tokens_are_not_guessed_from_one_address(
    path: str, clock: time_machine.Coordinates
) -> None:
    assert {ask(f"guess-{number}", path=path) for number in range(TOKENS)} == {401}
    answer = Client().get(path, headers={"Authorization": "Bearer guess"}, REMOTE_ADDR=HERE)
    assert (answer.status_code, answer["Retry-After"], answer["Content-Type"]) == (
        429,
        "900",
        "application/problem+json",
    )
    assert answer.json()["type"] == "urn:cihealing:problem:too-many-requests"
    assert ask(TOKEN, path=path) == 429
    assert ask(TOKEN, path=path, at=THERE) == 200
    clock.shift(WAIT.total_seconds() + 1)
    assert ask(TOKEN, path=path) == 200
    ask("wrong once more")
    assert AccessAttempt.objects.get(user_agent=tries.TOKEN_MARK).failures_since_start == 1


def test_a_script_with_a_wrong_token_keeps_nobody_from_signing_in() -> None:
    for number in range(TOKENS + 1):
        ask(f"guess-{number}")
    assert log_in("bob", RIGHT) == 302


def test_a_right_token_is_never_counted() -> None:
    assert {ask(TOKEN) for _ in range(TOKENS + 5)} == {200}
    assert not AccessAttempt.objects.exists()
