"""What `cihealing doctor` says of secrets: are they strong, and is each provider's way of signing
taken and a forgery not?
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from cihealing import hooks, policy_file, registry
from cihealing.cli.shared.command import not_made
from cihealing.cli.shared.findings import Finding, bad, note, ok
from cihealing.models import Delivery
from cihealing.ports import BadSignature, RawRequest
from cihealing.strength import MAKE, own, shared, weakness

OLD_PATHS = timedelta(days=30)
"""For how long a delivery by an old path is told of."""
BODY = b'{"test": true}'


def strength() -> Finding:
    """Short, well-known or shared secrets."""
    others = {
        f"CI_HEALING_{name}": str(settings.CI_HEALING.get(name) or "")
        for name in ("API_TOKEN", "METRICS_TOKEN")
    }
    webhooks = settings.CI_HEALING["WEBHOOK_SECRETS"]
    found = own(webhooks, {"CI_HEALING_SECRET_KEY": settings.SECRET_KEY, **others})
    weak = [f"{name} {why}" for name, secret in found if (why := weakness(secret))]
    if twice := shared(found):
        weak.append(f"{twice} are one secret: who holds it holds both")
    if weak:
        return bad("secret strength", f"{'; '.join(weak)}; {MAKE}")
    # Where none is stored, settings make a key that lasts as long as this process.
    if not any((*webhooks.values(), *others.values())):
        return note("secret strength", "none is set yet; `cihealing up` makes strong ones")
    return ok("secret strength", "long enough")


def jenkins() -> Finding:
    """Whether Jenkins' URL, which every log on its way may show, holds a token that opens nothing
    else.
    """
    if not settings.CI_HEALING["WEBHOOK_SECRETS"].get("jenkins"):
        return note(
            "jenkins",
            "its webhook has no token of its own: `cihealing up` makes one, or set"
            " CI_HEALING_WEBHOOK_SECRET_JENKINS; the URL shows it to many",
        )
    if old_jenkins_urls():
        return note(
            "jenkins",
            f"builds still come in by the old URL, which ends in {hooks.SETTING}:"
            f" {hooks.NEW_JENKINS_URL}",
        )
    return ok("jenkins", "its URL ends in a token of its own")


def old_jenkins_urls() -> bool:
    """Whether builds came in by them lately; no where there is no database yet."""
    since = timezone.now() - OLD_PATHS
    try:
        return (
            not not_made()
            and Delivery.objects.filter(hook=hooks.OLD_JENKINS, received_at__gte=since).exists()
        )
    except DatabaseError:
        return False


def signatures() -> Finding:
    """For every hook there is: what its sender would send is taken, the same with one byte changed
    or another secret is not.
    """
    policy, secrets = (
        policy_file.current()[0],
        hooks.named(os.environ, own=settings.CI_HEALING["WEBHOOK_SECRETS"]),
    )
    found = [
        hook
        for provider in SIGN
        for hook in hooks.hooks_for(provider, settings=secrets, policy=policy)
    ]
    if not found:
        return note(
            "signatures",
            "no webhook has a secret: `cihealing up` makes one, or set CI_HEALING_WEBHOOK_SECRET",
        )
    faults = [
        f"{hook.name}: {why}"
        for hook in found
        for secret in hook.secrets
        if (why := fault(hook.provider, secret))
    ]
    if faults:
        return bad("signatures", "; ".join(faults))
    return ok(
        "signatures",
        f"taken as {', '.join(sorted({h.provider for h in found}))} sign, and refused where a byte"
        " or the secret differs",
    )


def fault(provider: str, secret: str) -> str:
    """What is wrong with a provider's verification; empty where it is right."""
    sign = SIGN.get(provider)
    if sign is None:
        return ""
    verify = registry.CI[provider].verify
    right = sign(secret, BODY)
    try:
        verify(right, [secret])
    except BadSignature as error:
        return f"what its sender would sign is refused: {error}"
    for wrong in (
        sign(other(secret), BODY),
        *([edited(right)] if provider not in BY_TOKEN else []),
    ):
        try:
            verify(wrong, [secret])
        except BadSignature:
            continue
        return "a forged delivery is taken"
    return ""


def other(secret: str) -> str:
    """Another secret of the same form."""
    return (
        "whsec_" + base64.b64encode(secret.encode()[:24].ljust(24, b"x")).decode()
        if secret.startswith("whsec_")
        else secret + "x"
    )


def edited(request: RawRequest) -> RawRequest:
    return RawRequest(
        headers=request.headers,
        body=request.body + b" ",
        path_token=request.path_token,
        received_at=request.received_at,
    )


def _request(body: bytes, headers: Mapping[str, str], path_token: str = "") -> RawRequest:
    return RawRequest(
        headers=dict(headers), body=body, path_token=path_token, received_at=datetime.now(UTC)
    )


def _mac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _hub(secret: str, body: bytes) -> RawRequest:
    return _request(
        body, {"x-hub-signature-256": f"sha256={_mac(secret, body)}", "x-github-delivery": "doctor"}
    )


def _standard(secret: str, body: bytes) -> RawRequest:
    """Source: Standard Webhooks, 'Signature scheme'."""
    key, at = (
        base64.b64decode(secret.removeprefix("whsec_")),
        str(int(datetime.now(UTC).timestamp())),
    )
    mac = base64.b64encode(
        hmac.new(key, b"doctor." + at.encode() + b"." + body, hashlib.sha256).digest()
    ).decode()
    return _request(
        body, {"webhook-id": "doctor", "webhook-timestamp": at, "webhook-signature": f"v1,{mac}"}
    )


def _gitlab(secret: str, body: bytes) -> RawRequest:
    return (
        _standard(secret, body)
        if secret.startswith("whsec_")
        else _request(body, {"x-gitlab-token": secret})
    )


def _jenkins(secret: str, body: bytes) -> RawRequest:
    return _request(body, {}, path_token=secret)


def _circleci(secret: str, body: bytes) -> RawRequest:
    return _request(body, {"circleci-signature": f"v1={_mac(secret, body)}"})


def _buildkite(secret: str, body: bytes) -> RawRequest:
    at = str(int(datetime.now(UTC).timestamp()))
    return _request(
        body,
        {
            "x-buildkite-signature": (
                f"timestamp={at},signature={_mac(secret, at.encode() + b'.' + body)}"
            )
        },
    )


SIGN: Mapping[str, Callable[[str, bytes], RawRequest]] = {
    "generic": _hub,
    "github": _hub,
    "gitlab": _gitlab,
    "jenkins": _jenkins,
    "circleci": _circleci,
    "buildkite": _buildkite,
}
BY_TOKEN = ("gitlab", "jenkins")
"""They send the secret itself: the body is not signed."""
