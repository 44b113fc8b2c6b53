"""Who may speak: each provider's proof, over the raw bytes, and everything that is not one."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from cihealing.ports import BadSignature
from cihealing.providers.buildkite import hook as buildkite
from cihealing.providers.circleci import hook as circleci
from cihealing.providers.github import hook as github
from cihealing.providers.gitlab import hook as gitlab
from cihealing.providers.jenkins import hook as jenkins
from cihealing.providers.shared import body as generic
from cihealing.providers.shared import signing as _signing
from tests.providers.ci.payloads import NOW, SECRET, SIGNING, circle, hub, kite, raw, standard
from tests.tables import table

BODY = '{"name": "ünïcode ♥ \\u001b[31m"}'.encode()
KEY = b"0123456789abcdef0123456789abcdef"
"""What SIGNING stands for."""

Signer = Callable[[str], Mapping[str, str]]
SIGNED: dict[str, tuple[ModuleType, Signer]] = {
    "github": (github, lambda s: {"x-hub-signature-256": hub(BODY, secret=s)}),
    "gitlab token": (gitlab, lambda s: {"x-gitlab-token": s}),
    "circleci": (circleci, lambda s: {"circleci-signature": circle(BODY, secret=s)}),
    "buildkite signature": (buildkite, lambda s: {"x-buildkite-signature": kite(BODY, secret=s)}),
    "buildkite token": (buildkite, lambda s: {"x-buildkite-token": s}),
    "generic standard webhooks": (generic, lambda s: standard(BODY, key=s.encode())),
    "generic hub": (generic, lambda s: {"x-hub-signature-256": hub(BODY, secret=s)}),
    "jenkins": (jenkins, lambda s: {"token": s}),
}
providers = pytest.mark.parametrize(("adapter", "sign"), SIGNED.values(), ids=SIGNED.keys())


def verify(
    adapter: ModuleType,
    headers: Mapping[str, str],
    secrets: list[str],
    *,
    body: bytes = BODY,
    **more: Any,
) -> str:
    sent = dict(headers)
    result: str = adapter.verify(
        raw(body, headers=sent, token=sent.pop("token", ""), **more), secrets
    )
    return result


@providers
def test_a_right_signature_proves_the_sender(adapter: ModuleType, sign: Signer) -> None:
    assert verify(adapter, sign(SECRET), [SECRET])


@providers
def test_each_secret_of_a_rotation_is_taken(adapter: ModuleType, sign: Signer) -> None:
    assert verify(adapter, sign(SECRET), ["the old one", SECRET])
    assert verify(adapter, sign("the old one"), ["the old one", SECRET])


@providers
@pytest.mark.parametrize("secrets", [[], [""], ["", "  "]])
def test_no_secret_never_means_accept(
    adapter: ModuleType, sign: Signer, secrets: list[str]
) -> None:
    for signed_with in ("", "  ", SECRET):
        with pytest.raises(BadSignature, match="no secret is set"):
            verify(adapter, sign(signed_with), secrets)


@providers
def test_a_wrong_secret_is_refused(adapter: ModuleType, sign: Signer) -> None:
    with pytest.raises(BadSignature) as refused:
        verify(adapter, sign("somebody else's"), [SECRET])
    assert SECRET not in str(refused.value)


@providers
def test_nothing_sent_is_refused(adapter: ModuleType, sign: Signer) -> None:
    with pytest.raises(BadSignature):
        verify(adapter, {}, [SECRET])


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "é♥",
        "\udcff\udc80",
        "\x00",
        "=",
        ",,,=,",
        "sha256",
        "sha256=",
        "v1=",
        "v1,",
        "timestamp=,signature=",
        "9" * 5000,
    ],
)
@providers
def test_garbage_in_every_header_is_refused_and_nothing_else(
    adapter: ModuleType, sign: Signer, garbage: str
) -> None:
    for name in sign(SECRET):
        with pytest.raises(BadSignature):
            verify(adapter, {**sign(SECRET), name: garbage}, [SECRET])
    with pytest.raises(BadSignature):
        verify(adapter, dict.fromkeys(sign(SECRET), garbage), [SECRET])


@pytest.mark.parametrize(
    "name",
    ["github", "circleci", "buildkite signature", "generic standard webhooks", "generic hub"],
)
def test_a_signature_is_over_the_raw_bytes(name: str) -> None:
    adapter, sign = SIGNED[name]
    with pytest.raises(BadSignature):
        verify(adapter, sign(SECRET), [SECRET], body=BODY.replace(b" ", b""))


@pytest.mark.parametrize("name", ["buildkite signature", "generic standard webhooks"])
@pytest.mark.parametrize(
    ("seconds", "fresh"), [(-299, True), (299, True), (-301, False), (301, False)]
)
def test_a_signed_time_may_be_five_minutes_away(name: str, seconds: int, fresh: bool) -> None:
    adapter, sign = SIGNED[name]
    when = NOW + timedelta(seconds=seconds)
    if fresh:
        assert verify(adapter, sign(SECRET), [SECRET], now=when)
    else:
        with pytest.raises(BadSignature, match="300 seconds"):
            verify(adapter, sign(SECRET), [SECRET], now=when)


def test_arabic_digits_are_no_timestamp() -> None:
    headers = {**standard(BODY), "webhook-timestamp": "١٢٣"}
    with pytest.raises(BadSignature, match="no Unix timestamp"):
        verify(generic, headers, [SECRET])


def test_a_whsec_secret_stands_for_its_decoded_bytes() -> None:
    assert verify(generic, standard(BODY, key=KEY), [SIGNING]) == "msg_1"
    with pytest.raises(BadSignature):
        verify(generic, standard(BODY, key=SIGNING.encode()), [SIGNING])


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "whsec_é"])
def test_a_broken_whsec_secret_verifies_nothing(secret: str) -> None:
    for key in (b"", secret.encode()):
        with pytest.raises(BadSignature):
            verify(generic, standard(BODY, key=key), [secret])


def test_one_right_signature_of_a_standard_list_is_enough() -> None:
    right = standard(BODY)
    wrong = standard(b"other")["webhook-signature"]
    listed = {**right, "webhook-signature": f"{wrong} v2,AAAA {right['webhook-signature']} {wrong}"}
    assert verify(generic, listed, [SECRET]) == "msg_1"


def test_standard_webhooks_headers_are_not_saved_by_another_header() -> None:
    headers = {**standard(BODY), "webhook-signature": "v1,AAAA", "x-hub-signature-256": hub(BODY)}
    with pytest.raises(BadSignature):
        verify(generic, headers, [SECRET])


@pytest.mark.parametrize(
    "given",
    [
        "v2=" + circle(BODY)[3:],
        circle(BODY)[3:],
        circle(BODY).upper(),
        "sha256=" + circle(BODY)[3:],
    ],
)
def test_circleci_takes_version_one_alone(given: str) -> None:
    with pytest.raises(BadSignature):
        verify(circleci, {"circleci-signature": given}, [SECRET])
    assert verify(circleci, {"circleci-signature": f"{given},{circle(BODY)}"}, [SECRET])


def test_github_takes_no_sha1() -> None:
    sha1 = "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()
    for headers in ({"x-hub-signature": sha1}, {"x-hub-signature-256": sha1}):
        with pytest.raises(BadSignature):
            verify(github, headers, [SECRET])


def test_gitlab_signing_token() -> None:
    headers = {**standard(BODY, key=KEY, message_id="f5e5"), "idempotency-key": "f5e5"}
    assert verify(gitlab, headers, [SIGNING]) == "f5e5"


def test_a_stale_gitlab_signature_is_not_saved_by_the_token_beside_it() -> None:
    headers = {**standard(BODY, key=KEY), "x-gitlab-token": SECRET}
    with pytest.raises(BadSignature, match="300 seconds"):
        verify(gitlab, headers, [SIGNING, SECRET], now=NOW + timedelta(hours=1))


def test_a_gitlab_that_signs_with_a_token_unknown_here_may_still_send_the_known_one() -> None:
    assert verify(gitlab, {**standard(BODY, key=KEY), "x-gitlab-token": SECRET}, [SECRET])


@pytest.mark.parametrize(
    ("name", "header", "used"),
    [
        ("github", "x-github-delivery", True),
        ("gitlab token", "idempotency-key", True),
        # Shared by the hooks of one request, and new at each try: neither names a delivery.
        ("gitlab token", "x-gitlab-event-uuid", False),
        ("gitlab token", "x-gitlab-webhook-uuid", False),
        ("circleci", "x-request-id", False),
    ],
)
def test_the_delivery_id_is_the_senders_own(name: str, header: str, used: bool) -> None:
    adapter, sign = SIGNED[name]
    found = verify(
        adapter, {**sign(SECRET), header: "72d3162e-cc78-11e3-81ab-4c9367dc0958"}, [SECRET]
    )
    assert (found == "72d3162e-cc78-11e3-81ab-4c9367dc0958") == used


@pytest.mark.parametrize("given", ["", "é", "with space", "x" * 201, "new\nline"])
def test_else_it_is_the_bodys_digest(given: str) -> None:
    assert (
        verify(github, {**SIGNED["github"][1](SECRET), "x-github-delivery": given}, [SECRET])
        == hashlib.sha256(BODY).hexdigest()
    )


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_hex_lists_of_any_algorithm(algorithm: str) -> None:
    right = hmac.new(b"secret", BODY, algorithm).hexdigest()
    schemes = {algorithm: algorithm, "": algorithm}
    for given in (right, f"{algorithm}={right}", f"{algorithm}=XX{right[2:]}, {algorithm}={right}"):
        assert _signing.hex_signed(given, message=BODY, secrets=["secret"], schemes=schemes)
    for given in ("", "XX" + right[2:], f"{algorithm}=XX{right[2:]}", f"md5={right}", right[:-1]):
        assert not _signing.hex_signed(given, message=BODY, secrets=["secret"], schemes=schemes)
    assert not _signing.hex_signed(right, message=BODY, secrets=["", "Secret"], schemes=schemes)


def test_a_list_is_read_no_further_than_twenty_signatures() -> None:
    given = ",".join(["sha256=00"] * 20 + [hub(BODY)])
    assert not _signing.hex_signed(
        given, message=BODY, secrets=[SECRET], schemes={"sha256": "sha256"}
    )


@pytest.mark.parametrize(("count", "taken"), [(20, True), (21, False)])
def test_a_list_counts_from_its_begin(count: int, taken: bool) -> None:
    """The right one stands last; a list that is too long is not read from its end either."""
    hexes = ",".join(["sha256=00"] * (count - 1) + [hub(BODY)])
    assert (
        _signing.hex_signed(hexes, message=BODY, secrets=[SECRET], schemes={"sha256": "sha256"})
        is taken
    )
    headers = standard(BODY)
    listed = " ".join(["v1,AA"] * (count - 1) + [headers["webhook-signature"]])
    signed = _signing.standard_signed(
        listed,
        message_id="msg_1",
        timestamp=headers["webhook-timestamp"],
        body=BODY,
        secrets=[SECRET],
    )
    assert signed is taken


def test_the_first_of_a_long_list_is_read() -> None:
    assert _signing.hex_signed(
        ",".join([hub(BODY), *["sha256=00"] * 30]),
        message=BODY,
        secrets=[SECRET],
        schemes={"sha256": "sha256"},
    )
    headers = standard(BODY)
    assert _signing.standard_signed(
        " ".join([headers["webhook-signature"], *["v1,AA"] * 30]),
        message_id="msg_1",
        timestamp=headers["webhook-timestamp"],
        body=BODY,
        secrets=[SECRET],
    )


@pytest.mark.parametrize(("message_id", "timestamp"), [("", "1"), ("m", ""), ("", "")])
def test_a_standard_signature_over_nothing_is_none(message_id: str, timestamp: str) -> None:
    right = _signing.standard_signature(
        SECRET, message_id=message_id, timestamp=timestamp, body=BODY
    )
    assert not _signing.standard_signed(
        right, message_id=message_id, timestamp=timestamp, body=BODY, secrets=[SECRET]
    )


@table(
    ("secret", "key"),
    [
        ("whsec_MDEy", b"012"),
        ("whsec_MDE=", b"01"),
        ("whsec_MDE", b"01"),
        ("whsec_MA", b"0"),
        ("whsec_", b""),
        ("whsec_M", b""),
        ("whsec_MDE*", b""),
        ("whsec_MD Ey", b""),
        ("whsec_MDEy\n", b""),
        ("plain", b"plain"),
        ("  ", b""),
        ("", b""),
        ("ünï", "ünï".encode()),
        ("\udc80", b"\xed\xb2\x80"),
    ],
)
def test_what_a_secret_stands_for(secret: str, key: bytes) -> None:
    assert _signing.standard_key(secret) == key


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "the header webhook-id is missing"),
        ({"webhook-id": "m"}, "the header webhook-timestamp is missing"),
        ({"webhook-id": "m", "webhook-timestamp": "1"}, "the header webhook-signature is missing"),
        (
            {"webhook-id": "m", "webhook-timestamp": "x", "webhook-signature": "v1,x"},
            "webhook-timestamp holds no Unix timestamp",
        ),
        (
            {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,x"},
            (
                "webhook-timestamp is more than 300 seconds away from this clock: a replay, or a"
                " wrong clock"
            ),
        ),
        (
            {**standard(BODY), "webhook-signature": "v1,x"},
            "webhook-signature is not of a secret known here",
        ),
        (
            {**standard(BODY), "webhook-id": "other"},
            "webhook-signature is not of a secret known here",
        ),
    ],
)
def test_a_sender_is_told_what_is_wrong(given: dict[str, str], told: str) -> None:
    with pytest.raises(BadSignature) as refused:
        _signing.verify_standard(given, body=BODY, secrets=[SECRET], now=NOW)
    assert str(refused.value) == told


def test_a_standard_id_that_is_no_plain_one_gives_way_to_the_bodys_digest() -> None:
    headers = standard(BODY, message_id="two words")
    assert (
        _signing.verify_standard(headers, body=BODY, secrets=[SECRET], now=NOW)
        == hashlib.sha256(BODY).hexdigest()
    )
    assert _signing.verify_standard(standard(BODY), body=BODY, secrets=[SECRET], now=NOW) == "msg_1"


def test_whoever_has_no_secret_is_told_which_settings_hold_one() -> None:
    with pytest.raises(BadSignature) as refused:
        _signing.require_secret([" "], provider="github")
    assert (
        str(refused.value) == "no secret is set here: set CI_HEALING_WEBHOOK_SECRET or"
        " CI_HEALING_WEBHOOK_SECRET_GITHUB"
    )


@pytest.mark.parametrize("seconds", [-300, 300])
def test_the_tolerance_itself_is_fresh(seconds: int) -> None:
    _signing.fresh(str(int(NOW.timestamp()) + seconds), now=NOW, header="x")
    with pytest.raises(BadSignature):
        _signing.fresh(
            str(int(NOW.timestamp()) + seconds + (1 if seconds > 0 else -1)), now=NOW, header="x"
        )


@pytest.mark.parametrize("text", ["\udc80", "ß", "\U0001f600", ""])
def test_any_two_strings_are_compared(text: str) -> None:
    assert _signing.equal(text, text)
    assert not _signing.equal(text, text + "x")
    assert _signing.one_of(text + "x", ["y", text + "x"])
    assert (
        _signing.hex_mac(text, BODY)
        == hmac.new(text.encode("utf-8", "surrogatepass"), BODY, "sha256").hexdigest()
    )


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("x" * 200, True),
        ("x" * 201, False),
        ("!~", True),
        ("a b", False),
        ("é", False),
        ("", False),
    ],
)
def test_an_id_is_plain_and_of_at_most_two_hundred_characters(given: str, used: bool) -> None:
    assert (_signing.delivery_id(given, body=BODY) == given) is used
