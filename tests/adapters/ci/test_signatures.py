"""Who may speak: each provider's proof, over the raw bytes, and everything that is not one."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from cihealing.adapters.ci import _wire, buildkite, circleci, generic, github, gitlab, jenkins
from cihealing.ports import BadSignature
from tests.adapters.ci.payloads import NOW, SECRET, SIGNING, circle, hub, kite, raw, standard

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


def verify(adapter: ModuleType, headers: Mapping[str, str], secrets: list[str], *, body: bytes = BODY, **more: Any) -> str:
    sent = dict(headers)
    result: str = adapter.verify(raw(body, headers=sent, token=sent.pop("token", ""), **more), secrets)
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
def test_no_secret_never_means_accept(adapter: ModuleType, sign: Signer, secrets: list[str]) -> None:
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
    "garbage", ["", "é♥", "\udcff\udc80", "\x00", "=", ",,,=,", "sha256", "sha256=", "v1=", "v1,", "timestamp=,signature=", "9" * 5000]
)
@providers
def test_garbage_in_every_header_is_refused_and_nothing_else(adapter: ModuleType, sign: Signer, garbage: str) -> None:
    for name in sign(SECRET):
        with pytest.raises(BadSignature):
            verify(adapter, {**sign(SECRET), name: garbage}, [SECRET])
    with pytest.raises(BadSignature):
        verify(adapter, dict.fromkeys(sign(SECRET), garbage), [SECRET])


@pytest.mark.parametrize("name", ["github", "circleci", "buildkite signature", "generic standard webhooks", "generic hub"])
def test_a_signature_is_over_the_raw_bytes(name: str) -> None:
    adapter, sign = SIGNED[name]
    with pytest.raises(BadSignature):
        verify(adapter, sign(SECRET), [SECRET], body=BODY.replace(b" ", b""))


@pytest.mark.parametrize("name", ["buildkite signature", "generic standard webhooks"])
@pytest.mark.parametrize(("seconds", "fresh"), [(-299, True), (299, True), (-301, False), (301, False)])
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


@pytest.mark.parametrize("given", ["v2=" + circle(BODY)[3:], circle(BODY)[3:], circle(BODY).upper(), "sha256=" + circle(BODY)[3:]])
def test_circleci_takes_version_one_alone(given: str) -> None:
    with pytest.raises(BadSignature):
        verify(circleci, {"circleci-signature": given}, [SECRET])
    assert verify(circleci, {"circleci-signature": f"{given},{circle(BODY)}"}, [SECRET])


def test_github_takes_no_sha1() -> None:
    sha1 = "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()
    for headers in ({"x-hub-signature": sha1}, {"x-hub-signature-256": sha1}):
        with pytest.raises(BadSignature):
            verify(github, headers, [SECRET])


# ---------------------------------------------------------------- GitLab's signing token


def test_gitlab_signing_token() -> None:
    headers = {**standard(BODY, key=KEY, message_id="f5e5"), "idempotency-key": "f5e5"}
    assert verify(gitlab, headers, [SIGNING]) == "f5e5"


def test_a_stale_gitlab_signature_is_not_saved_by_the_token_beside_it() -> None:
    headers = {**standard(BODY, key=KEY), "x-gitlab-token": SECRET}
    with pytest.raises(BadSignature, match="300 seconds"):
        verify(gitlab, headers, [SIGNING, SECRET], now=NOW + timedelta(hours=1))


def test_a_gitlab_that_signs_with_a_token_unknown_here_may_still_send_the_known_one() -> None:
    assert verify(gitlab, {**standard(BODY, key=KEY), "x-gitlab-token": SECRET}, [SECRET])


# ---------------------------------------------------------------- delivery ids


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
    found = verify(adapter, {**sign(SECRET), header: "72d3162e-cc78-11e3-81ab-4c9367dc0958"}, [SECRET])
    assert (found == "72d3162e-cc78-11e3-81ab-4c9367dc0958") == used


@pytest.mark.parametrize("given", ["", "é", "with space", "x" * 201, "new\nline"])
def test_else_it_is_the_bodys_digest(given: str) -> None:
    assert verify(github, {**SIGNED["github"][1](SECRET), "x-github-delivery": given}, [SECRET]) == hashlib.sha256(BODY).hexdigest()


# ---------------------------------------------------------------- the primitive


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_hex_lists_of_any_algorithm(algorithm: str) -> None:
    right = hmac.new(b"secret", BODY, algorithm).hexdigest()
    schemes = {algorithm: algorithm, "": algorithm}
    for given in (right, f"{algorithm}={right}", f"{algorithm}=XX{right[2:]}, {algorithm}={right}"):
        assert _wire.hex_signed(given, message=BODY, secrets=["secret"], schemes=schemes)
    for given in ("", "XX" + right[2:], f"{algorithm}=XX{right[2:]}", f"md5={right}", right[:-1]):
        assert not _wire.hex_signed(given, message=BODY, secrets=["secret"], schemes=schemes)
    assert not _wire.hex_signed(right, message=BODY, secrets=["", "Secret"], schemes=schemes)


def test_a_list_is_read_no_further_than_twenty_signatures() -> None:
    given = ",".join(["sha256=00"] * 20 + [hub(BODY)])
    assert not _wire.hex_signed(given, message=BODY, secrets=[SECRET], schemes={"sha256": "sha256"})
