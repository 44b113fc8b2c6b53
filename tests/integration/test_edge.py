"""The edge of a service that was really started, over real sockets: who holds the line, and what
goes on meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fakes.service import LOG
from tests.integration.app import WEBHOOK, App, own_database, running

HOME = "/api/v1/ci-healing"
DESCRIPTORS = 256
CONNECTIONS = 40
STREAMS = 3
BODY = f"POST {WEBHOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n".encode()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "stderr"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Iterator[App]:
    below = ["sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@" 2>"{log}"', "sh"]
    bounds = {
        "HEADER_TIMEOUT": "1.5",
        "IDLE_TIMEOUT": "1",
        "BODY_TIMEOUT": "1.5",
        "MAX_CONNECTIONS": CONNECTIONS,
        "MAX_STREAMS": STREAMS,
    }
    settings = {f"CI_HEALING_{name}": str(value) for name, value in bounds.items()}
    with (
        own_database(
            os.environ.get("DATABASE_URL", ""), f"cihealing_edge_{os.getpid()}"
        ) as database,
        running(tmp_path_factory.mktemp("data"), database=database, below=below, **settings) as app,
    ):
        yield app


def connect(app: App) -> socket.socket:
    return socket.create_connection(
        (urlsplit(app.url).hostname, urlsplit(app.url).port), timeout=20
    )


@contextlib.contextmanager
def many(app: App, number: int, begin: bytes = b"") -> Iterator[list[socket.socket]]:
    socks = []
    try:
        for _ in range(number):
            socks.append(connect(app))
            with contextlib.suppress(OSError):
                socks[-1].sendall(begin)
        yield socks
    finally:
        for sock in socks:
            sock.close()


def said(sock: socket.socket) -> bytes:
    """All that comes until the other side hangs up."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := sock.recv(65536):
            found += part
    return found


def dribble(sock: socket.socket, text: bytes, *, most: float = 15.0) -> bytes:
    """Send a byte every 0.2 s until the other side hangs up; what it said."""
    end = time.monotonic() + most
    sock.settimeout(0.2)
    for byte in text:
        assert time.monotonic() < end, "it was let go on"
        try:
            sock.sendall(bytes([byte]))
            first = sock.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return b""
        sock.settimeout(5)
        return first + said(sock) if first else b""
    raise AssertionError("it was let go on")


def healthy(app: App) -> bool:
    return httpx.get(app.url + "/healthz", timeout=20).status_code == 200


def until(condition: Any, *, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError):
            if condition():
                return
        time.sleep(0.2)
    raise AssertionError("it did not come about")


def problem(answer: bytes) -> tuple[int, str, dict[str, str]]:
    """(status, type, headers) of a raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *others = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in others)}
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    told = json.loads(body)
    assert str(told["status"]) == first.split()[1]
    return told["status"], told["type"].removeprefix("urn:cihealing:problem:"), headers


def test_who_says_nothing_is_hung_up_on(app: App) -> None:
    with many(app, 1) as (sock,):
        assert said(sock) == b""


def test_headers_that_dribble_are_hung_up_on(app: App) -> None:
    with many(app, 1, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ") as (sock,):
        assert dribble(sock, b"a" * 200) == b""


def test_a_body_that_dribbles_is_told_and_hung_up_on(app: App) -> None:
    with many(app, 1, BODY) as (sock,):
        status, kind, headers = problem(dribble(sock, b"a" * 200))
    assert (status, kind, headers["connection"]) == (408, "request-timeout", "close")


def test_a_body_that_flows_is_waited_for(app: App) -> None:
    body = b"x" * 60_000
    with many(app, 1, BODY.replace(b"100000", b"60000")) as (sock,):
        for start in range(0, len(body), 12_000):
            sock.sendall(body[start : start + 12_000])
            time.sleep(0.5)
        assert b" 401 " in sock.recv(65536)


def test_an_idle_connection_is_hung_up_on_after_its_answer(app: App) -> None:
    with many(app, 1, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as (sock,):
        assert said(sock).startswith(b"HTTP/1.1 200")


def test_a_stream_outlives_every_time_out(app: App) -> None:
    with httpx.stream(
        "GET",
        f"{app.url}{HOME}/stream",
        headers={"Authorization": f"Bearer {app.token}"},
        timeout=30,
    ) as stream:
        begun = time.monotonic()
        with contextlib.suppress(httpx.ReadTimeout):
            for _ in stream.iter_raw():
                if time.monotonic() - begun > 4:
                    break
                app.post({**body("1"), "deliveryId": str(time.monotonic())})
                time.sleep(1)
        assert time.monotonic() - begun > 4


def body(number: str, **fields: Any) -> dict[str, Any]:
    return {
        "provider": "generic",
        "repository": "acme/shop",
        "branch": "main",
        "commitSha": number * 40,
        "job": "test",
        "pipelineUrl": "",
        "errorType": "",
        "errorLog": LOG,
        "conclusion": "failure",
        **fields,
    }


def test_those_that_only_hold_the_line_make_room_at_once(app: App) -> None:
    with many(app, CONNECTIONS * 2, b"GET / HTTP/1.1\r\n"):
        begun = time.monotonic()
        assert healthy(app)
        assert time.monotonic() - begun < 10


def test_where_all_are_busy_the_next_is_told_to_come_again(app: App) -> None:
    with many(app, CONNECTIONS, BODY) as others:
        time.sleep(0.3)
        with many(app, 1) as (sock,):
            status, kind, headers = problem(said(sock))
        assert (status, kind, headers["retry-after"]) == (503, "too-many-connections", "5")
        for other in others:
            assert problem(said(other))[0] == 408
    until(lambda: healthy(app))


@pytest.mark.slow
def test_a_flood_beyond_the_descriptors_leaves_the_service_and_its_log_as_they_were(
    app: App, log: Path
) -> None:
    for begin in (b"", b"GET / HTTP/1.1\r\nX: ", BODY, b"\x00\x01\r\n\r\n"):
        with many(app, DESCRIPTORS + 150, begin) as socks:
            for _ in range(5):
                for sock in socks:
                    with contextlib.suppress(OSError):
                        sock.send(b"a", socket.MSG_DONTWAIT)
                time.sleep(0.2)
                open_files = len(list(Path(f"/proc/{app.process.pid}/fd").iterdir()))
                assert open_files < DESCRIPTORS
        until(lambda: healthy(app))
    assert app.post({**body("2"), "deliveryId": "after"}).status_code == 202
    assert log.stat().st_size < 30_000, log.read_text()[-2_000:]


@pytest.mark.database
def test_more_streams_than_may_wait_and_pages_go_on(app: App) -> None:
    headers = {"Authorization": f"Bearer {app.token}"}
    with (
        contextlib.ExitStack() as stack,
        httpx.Client(base_url=app.url, headers=headers, timeout=20) as client,
    ):
        for _ in range(STREAMS):
            assert stack.enter_context(client.stream("GET", f"{HOME}/stream")).status_code == 200
        for _ in range(20):
            answer = client.get(f"{HOME}/stream")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
            assert answer.json()["type"] == "urn:cihealing:problem:too-many-listeners"
        assert client.get(f"{HOME}/runs").status_code == 200
        assert client.get("/login").status_code == 200
    until(lambda: one_stream(app, headers))


def one_stream(app: App, headers: dict[str, str]) -> bool:
    with httpx.stream("GET", f"{app.url}{HOME}/stream", headers=headers, timeout=20) as stream:
        return stream.status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{HOME}/runs", 200),
        (f"{HOME}/runs/x", 404),
        (f"{HOME}/nothing", 404),
        (f"{HOME}/metrics/summary", 200),
        (f"{HOME}/runs?page=x", 400),
        (WEBHOOK, 405),
        ("/api/v1/schema", 200),
        ("/api/v1/docs", 200),
        ("/healthz", 200),
        ("/metrics", 200),
        ("/", 302),
        ("/login", 200),
        ("/runs/x", 404),
    ],
)
def test_nothing_but_static_files_may_be_kept_by_others(app: App, path: str, status: int) -> None:
    answer = httpx.get(app.url + path, headers={"Authorization": f"Bearer {app.token}"})
    assert answer.status_code == status
    assert "no-store" in answer.headers["cache-control"]


def test_refusals_before_the_application_may_not_be_kept_either(app: App) -> None:
    raw, headers = app.signed(body("1"))
    answers = [
        httpx.post(app.url + WEBHOOK, content=raw),
        httpx.post(app.url + WEBHOOK, content=raw, headers=headers),
        httpx.post(app.url + WEBHOOK, content=b"x" * (21 * 1024 * 1024)),
    ]
    assert [answer.status_code for answer in answers] == [401, 202, 413]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
    assert "no-store" not in httpx.get(f"{app.url}/static/js/live.js").headers["cache-control"]


@pytest.mark.slow
@pytest.mark.database
def test_a_large_log_survives_a_kill_between_its_answer_and_its_reading(tmp_path: Path) -> None:
    large = "2026-11-25T10:00:00Z collecting one package of very many\n" * 20_000 + LOG
    with own_database(
        os.environ.get("DATABASE_URL", ""), f"cihealing_large_{os.getpid()}"
    ) as database:
        with running(tmp_path, database=database, CI_HEALING_ENABLED="false") as app:
            answers = [
                app.post({**body("3", errorLog=large), "deliveryId": "large"}) for _ in range(2)
            ]
            assert {answer.status_code for answer in answers} == {202}
            (told,) = {answer.text for answer in answers}
            assert json.loads(told)["status"] == "reading"
            app.process.kill()
        with running(tmp_path, database=database) as app:
            until(
                lambda: (
                    app.get(f"{HOME}/deliveries/{json.loads(told)['deliveryId']}")["status"]
                    == "done"
                ),
                seconds=90,
            )
            found = app.get(f"{HOME}/runs?repository=acme/shop")["data"]
            assert [run["commitSha"] for run in found] == ["3" * 40]
