"""Whose request it is: forwarded headers count from trusted proxies alone, and everything asks in
one place.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.test import AsyncRequestFactory, Client, RequestFactory

from cihealing import embedded
from cihealing.connections import Bounds
from cihealing.settings import ServerSettings, networks
from cihealing.web import callers
from cihealing.web.proxies import caller, neighbourhood

TRUSTED = networks(["10.0.0.0/8", "2001:db8:1::/64", "127.0.0.1"])


def of(peer: str, forwarded_for: str, *, proto: str = "", host: str = "") -> str:
    found = caller(peer, forwarded_for=forwarded_for, proto=proto, host=host, trusted=TRUSTED)
    return found.address if found else ""


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.9", "198.51.100.1", ""),
        ("", "198.51.100.1", ""),
        ("unix:", "198.51.100.1", ""),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "10.9.9.9, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "10.2.3.4", "10.2.3.4"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, 999.1.1.1", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, ", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8:2::7]:4711", "2001:db8:2::7"),
        ("2001:db8:1::1", "2001:db8:2::7", "2001:db8:2::7"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1" + ", 10.0.0.1" * 500, "10.0.0.1"),
        ("10.0.0.1", "é♥", "10.0.0.1"),
    ],
)
def test_the_first_from_the_right_that_is_no_proxy_of_ours_is_the_client(
    peer: str, forwarded_for: str, address: str
) -> None:
    assert of(peer, forwarded_for) == address


def test_limits_count_an_ipv6_client_by_its_network() -> None:
    assert (
        neighbourhood("2001:db8:2::7")
        == neighbourhood("2001:db8:2::ffff:1")
        != neighbourhood("2001:db8:3::7")
    )
    assert neighbourhood("::ffff:198.51.100.1") == "198.51.100.1"
    assert neighbourhood("") is None


HEADERS = {
    "X-Forwarded-For": "198.51.100.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "heal.example",
    "Forwarded": "for=198.51.100.1",
    "X-Real-IP": "198.51.100.1",
}


@pytest.fixture
def behind(settings: Any) -> None:
    settings.CI_HEALING = {
        **settings.CI_HEALING,
        "TRUSTED_PROXIES": TRUSTED,
        "METRICS_ALLOW": ["127.0.0.1", "198.51.100.1"],
    }
    settings.ALLOWED_HOSTS = ["heal.example", "testserver"]


@pytest.mark.parametrize("requests", [RequestFactory, AsyncRequestFactory])
@pytest.mark.usefixtures("behind")
def test_what_a_trusted_proxy_says_is_what_the_request_says(requests: Any) -> None:
    request: HttpRequest = requests().get("/login", headers=HEADERS)
    callers.settle(request)
    assert (request.META["REMOTE_ADDR"], request.is_secure(), request.get_host()) == (
        "198.51.100.1",
        True,
        "heal.example",
    )
    assert not [name for name in request.META if "FORWARDED" in name]
    assert callers.UNBELIEVED not in request.META


@pytest.mark.parametrize("requests", [RequestFactory, AsyncRequestFactory])
def test_what_anybody_else_says_is_not(requests: Any, caplog: pytest.LogCaptureFixture) -> None:
    callers._warned.clear()
    for _ in range(3):
        request: HttpRequest = requests().get("/login", headers=HEADERS)
        callers.settle(request)
        assert (request.META["REMOTE_ADDR"], request.is_secure(), request.get_host()) == (
            "127.0.0.1",
            False,
            "testserver",
        )
        assert not [name for name in request.META if "FORWARDED" in name]
        assert request.META[callers.UNBELIEVED] == "127.0.0.1"
    assert caplog.text.count("CI_HEALING_TRUSTED_PROXIES") == 1


def test_nobody_can_say_it_in_a_header_of_another_name() -> None:
    request = RequestFactory().get(
        "/", headers={"cihealing.scheme": "https", "X_Forwarded_Proto": "https"}
    )
    callers.settle(request)
    assert not request.is_secure()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("forwarded_for", "status"),
    [
        ("198.51.100.1", 200),
        ("198.51.100.1, 203.0.113.9", 401),
        ("203.0.113.9", 401),
        ("127.0.0.1, 203.0.113.9", 401),
    ],
)
@pytest.mark.usefixtures("behind")
def test_metrics_are_for_the_client_not_for_the_proxy(forwarded_for: str, status: int) -> None:
    assert (
        Client().get("/metrics", headers={"X-Forwarded-For": forwarded_for}).status_code == status
    )


@pytest.mark.django_db
def test_metrics_are_for_no_proxy_that_names_no_client(behind: None) -> None:
    assert Client().get("/metrics", headers={"X-Real-IP": "198.51.100.1"}).status_code == 401


@pytest.mark.django_db
def test_a_form_sent_over_https_through_a_trusted_proxy_passes_the_check_of_its_origin(
    behind: None, settings: Any
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = []
    for proxied, status in ((True, 200), (False, 403)):
        settings.CI_HEALING = {**settings.CI_HEALING, "TRUSTED_PROXIES": TRUSTED if proxied else ()}
        client = Client(enforce_csrf_checks=True)
        token = client.get("/login", headers=HEADERS).cookies["cihealing_csrf"].value
        form = {"username": "", "password": "", "csrfmiddlewaretoken": token}
        answer = client.post(
            "/login",
            form,
            headers={
                **HEADERS,
                "Origin": "https://heal.example",
                "Referer": "https://heal.example/login",
            },
        )
        assert answer.status_code == status


def test_the_servers_own_log_names_the_client(behind: None) -> None:
    request: Any = AsyncRequestFactory().get("/healthz", headers=HEADERS)
    request.scope["client"] = ["127.0.0.1", 4711]
    callers.settle(request)
    assert request.scope["client"] == ("198.51.100.1", 4711)


def test_uvicorn_itself_believes_nobody() -> None:
    """It would take X-Forwarded-For from loopback by default, and nothing after it could tell."""
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["client"][0], scope["scheme"]))
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
        )
        await send({"type": "http.response.body", "body": b""})

    async def ask() -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            server = embedded.web_server(application, ready=lambda: None, bounds=Bounds())  # type: ignore[arg-type]
            serving = asyncio.create_task(server.serve(sockets=[sock]))
            while not server.started:
                await asyncio.sleep(0.01)
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.get(f"http://127.0.0.1:{sock.getsockname()[1]}/", headers=HEADERS)
            server.should_exit = True
            await serving

    asyncio.run(ask())
    assert seen == [("127.0.0.1", "http")]


@pytest.mark.parametrize(
    "value", ["proxy.example", "10.0.0.0/40", "0.0.0.0/0", "::/0", "10.0.0.1,x"]
)
def test_what_names_no_proxies_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CI_HEALING_TRUSTED_PROXIES", value)
    with pytest.raises(ImproperlyConfigured, match="CI_HEALING_TRUSTED_PROXIES"):
        ServerSettings.read()


def test_addresses_and_networks_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_HEALING_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8,2001:db8::/32")
    assert len(ServerSettings.read().trusted_proxies) == 3
    monkeypatch.delenv("CI_HEALING_TRUSTED_PROXIES")
    assert ServerSettings.read().trusted_proxies == ()
