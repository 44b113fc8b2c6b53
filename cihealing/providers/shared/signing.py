"""Who sent it: HMACs over the raw body, tokens, Standard Webhooks. Pure; compared in constant time;
raises BadSignature alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from cihealing.ports import BadSignature

TOLERANCE = 300
"""Seconds a signed timestamp may lie away from now. Source: Standard Webhooks; Buildkite,
'Defending against replay attacks'.
"""
MAX_SIGNATURES = 20
SECRET_PREFIX = "whsec_"  # noqa: S105 - what such secrets begin with


def octets(text: str) -> bytes:
    """Any string, half surrogates among them: what cannot be encoded must not raise where secrets
    are compared.
    """
    return text.encode("utf-8", "surrogatepass")  # pragma: no mutate


def usable(secrets: Sequence[str]) -> list[str]:
    """The secrets that may prove anything: an empty or blank one never does."""
    return [secret for secret in secrets if secret.strip()]


def equal(given: str, wanted: str) -> bool:
    """Constant-time comparison of any two strings: `hmac.compare_digest` alone raises TypeError on
    non-ASCII ones.
    """
    return hmac.compare_digest(octets(given), octets(wanted))


def one_of(given: str, secrets: Sequence[str]) -> bool:
    """Whether a plain token is one of `secrets`, in a time that tells nothing of which."""
    return sum(equal(given, secret) for secret in usable(secrets)) > 0


def hex_mac(secret: str, message: bytes, *, algorithm: str = "sha256") -> str:
    return hmac.new(octets(secret), message, algorithm).hexdigest()


def hex_signed(
    given: str, *, message: bytes, secrets: Sequence[str], schemes: Mapping[str, str]
) -> bool:
    """Whether one of the comma-separated `SCHEME=HEX` in `given` is the HMAC of `message` under one
    of `secrets`.

    `schemes` names the accepted prefixes and their hash, e.g. `{"sha256": "sha256"}`; the prefix ""
    stands for bare HEX.
    """
    return any(
        equal(value.strip(), hex_mac(secret, message, algorithm=schemes[scheme.strip()]))
        for scheme, value in _signatures(given)
        if scheme.strip() in schemes
        for secret in usable(secrets)
    )


def _signatures(given: str) -> list[tuple[str, str]]:
    parts = given.split(",", MAX_SIGNATURES)[:MAX_SIGNATURES]
    return [(scheme, value) for scheme, _, value in (p.rpartition("=") for p in parts)]


def standard_key(secret: str) -> bytes:
    """The HMAC key of a Standard Webhooks secret: base64 after `whsec_`, else the characters
    themselves; empty where unusable.
    """
    if not secret.startswith(SECRET_PREFIX):
        return octets(secret) if secret.strip() else b""
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def standard_signature(secret: str, *, message_id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and the base64 HMAC-SHA256 over `id.timestamp.body`. Source: Standard Webhooks
    specification, 'Signature scheme'.
    """
    signed = octets(f"{message_id}.{timestamp}.") + body
    return "v1," + base64.b64encode(hmac.digest(standard_key(secret), signed, "sha256")).decode()


def standard_signed(
    given: str, *, message_id: str, timestamp: str, body: bytes, secrets: Sequence[str]
) -> bool:
    """Whether one of the space-separated signatures in `given` is right under one of `secrets`.
    Says nothing about age.
    """
    if not (message_id and timestamp):
        return False
    wanted = [
        standard_signature(s, message_id=message_id, timestamp=timestamp, body=body)
        for s in secrets
        if standard_key(s)
    ]
    return any(
        equal(one, right)
        for one in given.split(" ", MAX_SIGNATURES)[:MAX_SIGNATURES]
        for right in wanted
    )


def fresh(timestamp: str, *, now: datetime, header: str) -> None:
    """Raises BadSignature unless `timestamp` (Unix seconds) lies within the tolerance of `now`."""
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise BadSignature(f"{header} holds no Unix timestamp")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE:
        raise BadSignature(
            f"{header} is more than {TOLERANCE} seconds away from this clock: a replay, or a wrong"
            " clock"
        )


def verify_standard(
    headers: Mapping[str, str], *, body: bytes, secrets: Sequence[str], now: datetime
) -> str:
    """The webhook-id of a request signed after Standard Webhooks. Raises BadSignature."""
    message_id, timestamp = (
        required_header(headers, "webhook-id"),
        required_header(headers, "webhook-timestamp"),
    )
    given = required_header(headers, "webhook-signature")
    fresh(timestamp, now=now, header="webhook-timestamp")
    if not standard_signed(
        given, message_id=message_id, timestamp=timestamp, body=body, secrets=secrets
    ):
        raise BadSignature("webhook-signature is not of a secret known here")
    return delivery_id(message_id, body=body)


def required_header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise BadSignature(f"the header {name} is missing")
    return value


def require_secret(secrets: Sequence[str], *, provider: str) -> list[str]:
    """The usable ones of `secrets`. Raises BadSignature where there is none: no secret never means
    "accept".
    """
    found = usable(secrets)
    if not found:
        raise BadSignature(
            "no secret is set here: set CI_HEALING_WEBHOOK_SECRET or"
            f" CI_HEALING_WEBHOOK_SECRET_{provider.upper()}"
        )
    return found


def delivery_id(given: str, *, body: bytes) -> str:
    """The sender's own id where it is a plain one of at most 200 characters, else SHA-256 of the
    body.

    The same bytes again are the same delivery: payloads name their job run, so two different
    results never share a body.
    """
    if re.fullmatch(r"[\x21-\x7e]{1,200}", given):
        return given
    return hashlib.sha256(body).hexdigest()
