"""What really goes over the wire: pinned addresses, credentials, redirects, bounds, limits, proxies
and certificates.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from cihealing.http import answers, client, network, pace, urls, watch
from cihealing.http.client import Conversation, Side
from cihealing.http.refusal import RequestRefused
from cihealing.http.urls import Base
from cihealing.ports import PermanentError, TransientError
from cihealing.settings import OutboundSettings, separated
from tests.groups import holding
from tests.http.corpus import allowed
from tests.http.servers import Seen, Server, certified, serving

TOKEN = {"Authorization": "Bearer t0ken"}
SETTING = "CI_HEALING_GITLAB_URL"
NO_PROXY = "CI_HEALING_NO_PROXY"


def converse(side: Side, *, settings: Mapping[str, str], **more: Any) -> Conversation:
    return client.converse(side, settings=holding(OutboundSettings, settings), **more)


def side(base: str, **settings: str) -> Side:
    found = urls.base_of(base, setting=SETTING)
    assert isinstance(found, Base)
    among = allowed({SETTING: base, **settings}, side="gitlab")
    return Side(
        title="GitLab",
        base=found,
        allowed=among,
        credential=TOKEN,
        headers={"Accept": "application/json"},
    )


def mocked(
    answer: httpx.Response | list[httpx.Response],
    *,
    seen: list[httpx.Request] | None = None,
    rate: str = "",
) -> Conversation:
    queue = answer if isinstance(answer, list) else [answer] * 10

    def handle(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return queue.pop(0)

    settings = {pace.SETTING: rate}
    return converse(
        side("https://gitlab.example/sub"), settings=settings, transport=httpx.MockTransport(handle)
    )


def text(conversation: Conversation, path: str = "log") -> bytes:
    with conversation.stream(path) as streamed:
        return b"".join(streamed.chunks)


def ok(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, b"the log\n"


def test_a_loopback_server_that_a_setting_names_is_asked() -> None:
    with serving(ok) as server, converse(side(server.url), settings={}) as conversation:
        answer = conversation.get("api/v4/x", params={"a": "b c"})
        assert (answer.status, answer.body, answer.at_side) == (200, b"the log\n", True)
    (seen,) = server.seen
    assert (seen.path, seen.headers["host"]) == ("/api/v4/x?a=b+c", f"127.0.0.1:{server.port}")
    assert (seen.headers["authorization"], seen.headers["accept-encoding"]) == (
        "Bearer t0ken",
        "identity",
    )


def test_the_credential_never_reaches_another_origin() -> None:
    with (
        serving(ok) as other,
        serving(lambda _: (302, {"location": f"{other.url}/log?sig=1"}, b"")) as own,
        converse(side(own.url, CI_HEALING_FETCH_HOSTS=other.url), settings={}) as conversation,
    ):
        assert text(conversation) == b"the log\n"
    assert own.seen[0].headers["authorization"] == "Bearer t0ken"
    assert other.seen[0].path == "/log?sig=1"
    assert "t0ken" not in str(other.seen)


def test_the_credential_stays_away_when_another_origin_sends_us_back() -> None:
    back = ""

    def there(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        return 302, {"location": back}, b""

    def own(seen: Seen) -> tuple[int, dict[str, str], bytes]:
        return (
            (200, {}, b"") if seen.path == "/user" else (302, {"location": f"{other.url}/x"}, b"")
        )

    with serving(there) as other, serving(own) as server:
        back = f"{server.url}/user"
        with converse(
            side(server.url, CI_HEALING_FETCH_HOSTS=other.url), settings={}
        ) as conversation:
            text(conversation)
    assert [seen.path for seen in server.seen] == ["/log", "/user"]
    assert "authorization" not in server.seen[1].headers


def test_a_loopback_server_that_no_setting_names_is_not_asked() -> None:
    with (
        serving(ok) as other,
        serving(lambda _: (302, {"location": f"{other.url}/x"}, b"")) as own,
        converse(side(own.url), settings={}) as conversation,
        pytest.raises(RequestRefused) as refused,
    ):
        text(conversation)
    assert refused.value.refusal.rule == "url.http"
    assert other.seen == []


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    context, bundle = certified("gitlab.corp.example", directory=tmp_path)
    with serving(ok, tls=context) as server:
        yield server, bundle


def to_loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def test_the_name_is_resolved_once_and_certificate_and_host_are_of_the_name(
    tls: tuple[Server, Path],
) -> None:
    server, bundle = tls
    resolved: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        resolved.append(host)
        return ["127.0.0.1"] if len(resolved) == 1 else ["169.254.169.254"]

    settings = {network.CA_BUNDLE: str(bundle)}
    with converse(
        side(f"https://gitlab.corp.example:{server.port}"), settings=settings, resolve=resolve
    ) as conversation:
        assert conversation.get("x").body == b"the log\n"
    assert resolved == ["gitlab.corp.example"]
    assert server.seen[0].headers["host"] == f"gitlab.corp.example:{server.port}"


def test_a_certificate_of_another_name_is_none(tls: tuple[Server, Path]) -> None:
    server, bundle = tls
    with (
        converse(
            side(f"https://git.corp.example:{server.port}"),
            settings={network.CA_BUNDLE: str(bundle)},
            resolve=to_loopback,
        ) as one,
        pytest.raises(TransientError, match="could not be reached"),
    ):
        one.get("x")
    assert server.seen == []


def test_without_the_companys_ca_its_servers_are_not_trusted(tls: tuple[Server, Path]) -> None:
    server, _ = tls
    with (
        converse(
            side(f"https://gitlab.corp.example:{server.port}"), settings={}, resolve=to_loopback
        ) as conversation,
        pytest.raises(TransientError, match="could not be reached"),
    ):
        conversation.get("x")
    assert server.seen == []


def test_the_environment_of_the_process_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tls: tuple[Server, Path]
) -> None:
    server, bundle = tls
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with serving(ok) as plain, converse(side(plain.url), settings={}) as conversation:
        assert conversation.get("x").good
    with (
        converse(
            side(f"https://gitlab.corp.example:{server.port}"), settings={}, resolve=to_loopback
        ) as other,
        pytest.raises(TransientError),
    ):
        other.get("x")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    bundle = tmp_path / "ca.pem"
    if content:
        bundle.write_text(content)
    with pytest.raises(PermanentError, match=network.CA_BUNDLE):
        converse(side("https://gitlab.example"), settings={network.CA_BUNDLE: str(bundle)})


def test_a_proxy_resolves_the_name_itself() -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    with serving(ok) as proxy:
        settings = {network.PROXY: proxy.url, NO_PROXY: "other.example"}
        with converse(
            side("http://gitlab.example:8080"), settings=settings, resolve=never
        ) as conversation:
            assert conversation.get("x").good
            with pytest.raises(RequestRefused):
                conversation.get("http://169.254.169.254/latest")
    assert [seen.path for seen in proxy.seen] == ["http://gitlab.example:8080/x"]


def test_a_host_of_no_proxy_is_met_directly() -> None:
    with (
        serving(ok) as proxy,
        serving(ok) as server,
        converse(
            side(server.url), settings={network.PROXY: proxy.url, NO_PROXY: "127.0.0.0/8"}
        ) as conversation,
    ):
        conversation.get("x")
    assert (len(proxy.seen), len(server.seen)) == (0, 1)


def test_a_proxy_that_is_no_url_is_named() -> None:
    with pytest.raises(PermanentError, match=network.PROXY):
        converse(side("https://gitlab.example"), settings={network.PROXY: "proxy.example:3128"})


@pytest.mark.parametrize(
    ("host", "without", "expected"),
    [
        ("ci.corp.example", "corp.example", True),
        ("ci.corp.example", ".corp.example", True),
        ("ci.corp.example", "*.corp.example", True),
        ("ci.corp.example", "x, CI.corp.example", True),
        ("xcorp.example", "corp.example", False),
        ("corp.example", ".corp.example", True),
        ("ci.corp.example", "*", True),
        ("ci.corp.example", "", False),
        ("ci.corp.example", " , ", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("fd00::1", "[fd00::1]", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "nonsense", False),
        ("10.1.2.3", "*", True),
    ],
)
def test_which_hosts_bypass_the_proxy(host: str, without: str, expected: bool) -> None:
    assert network.bypasses(host, without=separated(without)) is expected


def pinned(answers: list[str], *, refusing: tuple[str, ...] = ()) -> tuple[Conversation, list[str]]:
    met: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        met.append(request.url.host)
        if request.url.host in refusing:
            raise httpx.ConnectError("refused")
        return httpx.Response(200)

    return converse(
        side("https://gitlab.example"),
        settings={},
        transport=httpx.MockTransport(handle),
        resolve=lambda *_: answers,
    ), met


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    conversation, met = pinned(["1.1.1.1", "1.1.1.2", "1.1.1.3"], refusing=("1.1.1.1",))
    assert conversation.get("x").good
    assert met == ["1.1.1.1", "1.1.1.2"]


def test_a_few_addresses_are_tried_and_no_more() -> None:
    every = [f"1.1.1.{n}" for n in range(9)]
    conversation, met = pinned(every, refusing=tuple(every))
    with pytest.raises(TransientError, match="could not be reached"):
        conversation.get("x")
    assert met == every[: network.MAX_ADDRESSES]


def test_a_bad_address_is_seen_behind_those_that_are_tried() -> None:
    conversation, met = pinned([*(f"1.1.1.{n}" for n in range(9)), "169.254.169.254"])
    with pytest.raises(RequestRefused):
        conversation.get("x")
    assert met == []


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), None, UnicodeError()])
def test_a_name_without_address_is_asked_again_later(error: Exception | None) -> None:
    def resolve(*_: object) -> list[str]:
        if error:
            raise error
        return []

    with (
        converse(
            side("https://gitlab.example"),
            settings={},
            transport=httpx.MockTransport(lambda _: httpx.Response(200)),
            resolve=resolve,
        ) as one,
        pytest.raises(TransientError, match="no address"),
    ):
        one.get("x")


def test_the_system_resolves_each_address_once() -> None:
    assert network.system("127.0.0.1", 80) == ["127.0.0.1"]


def test_paths_are_below_the_base_url() -> None:
    seen: list[httpx.Request] = []
    conversation = mocked(httpx.Response(200), seen=seen)
    conversation.get("/api/v4/projects/acme%2Fshop", params={"page": 2})
    conversation.send("POST", "x", content={"a": 1})
    conversation.send("PUT", "y", form={"a": "b c"}, headers={"Jenkins-Crumb": "1"})
    conversation.send("POST", "z")
    assert [str(one.url) for one in seen] == [
        "https://gitlab.example/sub/api/v4/projects/acme%2Fshop?page=2",
        *(f"https://gitlab.example/sub/{path}" for path in "xyz"),
    ]
    assert [(one.read(), one.headers.get("content-type")) for one in seen[1:]] == [
        (b'{"a": 1}', "application/json"),
        (b"a=b+c", "application/x-www-form-urlencoded"),
        (b"", None),
    ]
    assert seen[2].headers["jenkins-crumb"] == "1"
    assert all(one.headers["authorization"] == "Bearer t0ken" for one in seen)


def test_a_write_follows_no_redirect() -> None:
    seen: list[httpx.Request] = []
    answer = mocked(httpx.Response(307, headers={"location": "/elsewhere"}), seen=seen).send(
        "POST", "x"
    )
    assert (answer.status, len(seen)) == (307, 1)


def test_a_header_of_ours_never_takes_the_place_of_the_credential() -> None:
    seen: list[httpx.Request] = []
    mocked(httpx.Response(200), seen=seen).send(
        "POST", "x", headers={"Authorization": "Basic other"}
    )
    assert seen[0].headers.get_list("authorization") == ["Bearer t0ken"]


def test_an_answer_is_bounded() -> None:
    assert mocked(httpx.Response(200, content=b"x" * 10)).get("x", limit=10).body == b"x" * 10
    with pytest.raises(PermanentError, match="more than 10 bytes"):
        mocked(httpx.Response(200, content=b"x" * 11)).get("x", limit=10)


def packed(content: bytes, encoding: str) -> httpx.Response:
    return httpx.Response(
        200, headers={"content-encoding": encoding}, stream=httpx.ByteStream(content)
    )


@pytest.mark.parametrize(
    ("pack", "encoding"),
    [
        (gzip.compress, "gzip"),
        (gzip.compress, "X-GZIP"),
        (zlib.compress, "deflate"),
        (bytes, "identity"),
    ],
)
def test_packed_answers_are_unpacked(pack: Callable[[bytes], bytes], encoding: str) -> None:
    assert text(mocked(packed(pack(b"the log"), encoding))) == b"the log"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
def test_a_packing_that_was_not_asked_for_is_not_unpacked(encoding: str) -> None:
    with pytest.raises(TransientError, match="not asked for"):
        text(mocked(packed(b"x", encoding)))


def test_a_broken_packing_is_tried_again() -> None:
    with pytest.raises(TransientError, match="could not be reached"):
        text(mocked(packed(b"nonsense", "gzip")))


def test_a_bomb_comes_out_in_pieces_and_ends_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_STREAM", 1_000_000)
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert max(map(len, answers.unpacked([bomb[:50_000]], encoding="gzip"))) <= answers.CHUNK
    sizes: list[int] = []
    with (
        pytest.raises(TransientError, match="more than 1000000 bytes"),
        mocked(packed(bomb, "gzip")).stream("x") as streamed,
    ):
        sizes.extend(len(chunk) for chunk in streamed.chunks)
    with pytest.raises(PermanentError, match="more than 1000 bytes"):
        mocked(packed(bomb, "gzip")).get("x", limit=1_000)


def dripping(accepted: list[socket.socket]) -> socket.socket:
    """Sends a header byte by byte, for ever."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            accepted.append(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                connection.sendall(b"x")
                time.sleep(0.02)
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    return listener


def test_a_header_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_SECONDS", 0.3)
    accepted: list[socket.socket] = []
    listener = dripping(accepted)
    with (
        converse(
            side(f"http://127.0.0.1:{listener.getsockname()[1]}"), settings={}
        ) as conversation,
        pytest.raises(TransientError, match="took more than"),
    ):
        conversation.get("x")
    listener.close()
    accepted[0].close()


def test_the_time_is_that_of_the_whole_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    conversation = mocked(httpx.Response(200))
    now += watch.MAX_SECONDS - 1
    assert conversation.get("x").good
    now += 1
    with pytest.raises(TransientError, match="took more than 300 seconds"):
        conversation.get("x")


def test_a_broken_connection_is_tried_again() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    with pytest.raises(TransientError, match="GitLab could not be reached: ReadTimeout"):
        converse(
            side("https://gitlab.example"), settings={}, transport=httpx.MockTransport(broken)
        ).get("x")


def answered(
    status: int, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> client.HttpAnswer:
    return client.HttpAnswer(
        status=status, headers=httpx.Headers(dict(headers or {})), body=body, at_side=True
    )


@pytest.mark.parametrize(
    ("status", "headers", "body", "busy"),
    [
        (200, {}, b"", False),
        (404, {}, b"", False),
        (401, {}, b"", False),
        (409, {}, b"", False),
        (422, {}, b"", False),
        (403, {}, b"", False),
        (403, {"x-ratelimit-remaining": "1"}, b"", False),
        (408, {}, b"", True),
        (425, {}, b"", True),
        (429, {}, b"", True),
        (500, {}, b"", True),
        (503, {}, b"", True),
        (529, {}, b"", True),
        (403, {"retry-after": "1"}, b"", True),
        (403, {"x-ratelimit-remaining": "0"}, b"", True),
        (403, {}, b'{"message": "You have exceeded a secondary rate limit"}', True),
        (499, {}, b"", False),
        (404, {"retry-after": "1"}, b"", False),
    ],
)
def test_what_passes_is_told_from_what_stays(
    status: int, headers: dict[str, str], body: bytes, busy: bool
) -> None:
    expected = (
        pytest.raises(TransientError, match=f"^GitLab answered {status}$")
        if busy
        else nullcontext()
    )
    with expected:
        answers.check_busy(answered(status, headers, body), title="GitLab")


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "9999"}, 3_600.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:12:20 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000090"}, 90.0),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "1700000090"}, None),
        ({"ratelimit-reset": "1700000030"}, 30.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1699999999"}, None),
        ({"ratelimit-reset": "1e9"}, None),
        ({"retry-after": "5", "ratelimit-reset": "1700000030"}, 5.0),
        ({"ratelimit-reset": "1800000000"}, 3_600.0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert answers.retry_after(httpx.Headers(headers), now=NOW) == seconds


def test_a_host_is_asked_only_so_often_a_minute() -> None:
    conversation = mocked(httpx.Response(200), rate="2")
    conversation.get("x")
    conversation.get("x")
    with pytest.raises(TransientError, match=pace.SETTING) as over:
        conversation.get("x")
    assert over.value.retry_after is not None
    assert 0 < over.value.retry_after <= 30


def test_the_pace_comes_back_with_time() -> None:
    now = 0.0
    keeper = pace.Pace(clock=lambda: now)
    for _ in range(6):
        keeper.take("a", rate=6)
    with pytest.raises(TransientError) as over:
        keeper.take("a", rate=6)
    assert over.value.retry_after == pytest.approx(10.0)
    keeper.take("b", rate=6)
    now = 10.0
    keeper.take("a", rate=6)
    with pytest.raises(TransientError):
        keeper.take("a", rate=6)
    now = 10_000.0
    for _ in range(6):
        keeper.take("a", rate=6)
    with pytest.raises(TransientError):
        keeper.take("a", rate=6)


def test_hosts_asked_long_ago_are_forgotten() -> None:
    keeper = pace.Pace(clock=lambda: 0.0)
    for number in range(pace.MAX_HOSTS + 1):
        keeper.take(f"host-{number}", rate=1)
    keeper.take("host-0", rate=1)
    with pytest.raises(TransientError):
        keeper.take(f"host-{pace.MAX_HOSTS}", rate=1)


@pytest.mark.parametrize(("text", "rate"), [("", 120), ("7", 7)])
def test_the_rate_is_a_setting(text: str, rate: int) -> None:
    with converse(
        side("https://gitlab.example"),
        settings={pace.SETTING: text},
        transport=httpx.MockTransport(lambda _request: httpx.Response(200)),
        keep_to=pace.Pace(clock=lambda: 0.0),
    ) as conversation:
        for _ in range(rate):
            conversation.get("x")
        with pytest.raises(TransientError, match=f"at most {rate} times a minute"):
            conversation.get("x")


@pytest.mark.parametrize("text", ["0", "-3", "many", "٧"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        holding(OutboundSettings, {pace.SETTING: text})


def test_real_conversations_share_one_pace() -> None:
    with serving(ok) as server:
        for _ in range(2):
            with converse(side(server.url), settings={pace.SETTING: "2"}) as conversation:
                conversation.get("x")
        with (
            converse(side(server.url), settings={pace.SETTING: "2"}) as conversation,
            pytest.raises(TransientError),
        ):
            conversation.get("x")
    assert len(server.seen) == 2


def test_old_tls_is_not_spoken(tmp_path: Path) -> None:
    assert network._trusting("", 0.0).minimum_version >= ssl.TLSVersion.TLSv1_2
