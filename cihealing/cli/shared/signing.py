"""What `cihealing doctor` says of secrets: are they strong, and is each provider's way of signing
taken and a forgery not?
"""

from __future__ import annotations

import base64
import os
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from cihealing import hooks, policy_file, registry
from cihealing.cli.shared.command import not_made
from cihealing.cli.shared.findings import Advice, bad, note, ok
from cihealing.models import Delivery
from cihealing.ports import BadSignature, RawRequest
from cihealing.strength import MAKE, own, shared, weakness

OLD_PATHS = timedelta(days=30)
"""For how long a delivery by an old path is told of."""
BODY = b'{"test": true}'


def strength() -> Advice:
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


def secret_in_url(provider: str) -> Advice:
    """Whether the provider's URL, which every log on its way may show, holds a token that opens
    nothing else.
    """
    if not settings.CI_HEALING["WEBHOOK_SECRETS"].get(provider):
        return note(
            provider,
            "its webhook has no token of its own: `cihealing up` makes one, or set"
            f" {hooks.own_secret(provider)}; the URL shows it to many",
        )
    if by_old_url(provider):
        return note(
            provider,
            f"builds still come in by the old URL, which ends in {hooks.SETTING}:"
            f" {hooks.new_url(provider)}",
        )
    return ok(provider, "its URL ends in a token of its own")


def by_old_url(provider: str) -> bool:
    """Whether builds came in by it lately; no where there is no database yet."""
    since = timezone.now() - OLD_PATHS
    try:
        return (
            not not_made()
            and Delivery.objects.filter(
                hook=hooks.old_url(provider), received_at__gte=since
            ).exists()
        )
    except DatabaseError:
        return False


def signatures() -> Advice:
    """For every hook there is: what its sender would send is taken, the same with one byte changed
    or another secret is not.
    """
    policy, secrets = (
        policy_file.current()[0],
        hooks.named(os.environ, own=settings.CI_HEALING["WEBHOOK_SECRETS"]),
    )
    found = [
        hook
        for name in registry.offered(lambda one: one.sign)
        for hook in hooks.hooks_for(
            name,
            environment=secrets,
            policy=policy,
            secret_in_url=registry.PROVIDERS[name].secret_in_url,
        )
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
    one = registry.PROVIDERS[provider]
    if one.sign is None or one.hook is None:
        return ""
    sign, verify = one.sign, one.hook.verify
    right = sign(secret, BODY)
    try:
        verify(right, [secret])
    except BadSignature as error:
        return f"what its sender would sign is refused: {error}"
    for wrong in (sign(other(secret), BODY), *([edited(right)] if one.signs_body else [])):
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
