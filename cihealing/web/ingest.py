"""The webhook: raw bytes in, one service call, an answer the sender understands. Plain Django,
because signatures are over raw bytes.

The order is the safety: size before reading, signature before parsing, whose hook before anything
is stored. Senders wait ten seconds at most and some never try again, so nothing slow happens here:
what is large is put by and read later.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from cihealing import hooks, policy_file, registry, service
from cihealing.domain.values import Ignored, Result
from cihealing.ports import BadPayload, BadSignature, Listening, RawRequest
from cihealing.providers.shared import wire as _wire
from cihealing.web import secret_paths
from cihealing.web.problems import problem
from cihealing.web.proxies import neighbourhood
from cihealing.web.rates import Rate

if TYPE_CHECKING:
    from cihealing.service import Receipt, ResultOutcome


logger = logging.getLogger(__name__)


@dataclass(eq=False)
class DeliveryRefused(Exception):
    """A delivery that is not taken, as the problem its sender is told."""

    status: int
    kind: str
    title: str
    detail: str = ""
    retry_after: int = 0
    """Seconds; 0: nothing is said of it."""


@csrf_exempt
def webhook(request: HttpRequest, provider: str) -> HttpResponse:
    try:
        return _answer(_receive(request, provider=provider))
    except DeliveryRefused as refused:
        answer = problem(
            refused.kind, status=refused.status, title=refused.title, detail=refused.detail
        )
        if refused.status == 405:
            answer["Allow"] = "POST"
        if refused.retry_after:
            answer["Retry-After"] = str(refused.retry_after)
        return answer


def _receive(request: HttpRequest, *, provider: str) -> Receipt:
    listening = _listening(provider)
    if request.method != "POST":
        raise DeliveryRefused(405, "method-not-allowed", "Only POST is taken here")
    _paced(
        f"address:{neighbourhood(str(request.META.get('REMOTE_ADDR') or ''))}",
        setting="ADDRESS_RATE",
        whose="from this address",
    )
    token = request.META.get(secret_paths.TOKEN, "")
    raw = RawRequest(
        headers=_headers(request), body=_body(request), path_token=token, received_at=timezone.now()
    )
    authentic = _authentic(raw, provider=provider, listening=listening)
    for hook, _ in authentic:
        _paced(f"hook:{hook.name}", setting="HOOK_RATE", whose="on this hook")
    payload = _payload(raw)
    results = _results(raw, payload, listening=listening)
    hook, delivery_id = _spoken_for(authentic, results)
    if hook.name == hooks.old_url(provider):
        _warn_of_old_path(provider)
    _hurry(payload, hook, provider=provider)
    try:
        return service.receive(
            hook=hook.name,
            provider=provider,
            delivery_id=delivery_id,
            results=results,
            now=raw.received_at,
        )
    except service.NoRoom as full:
        raise DeliveryRefused(
            503, "no-room", "Too many large logs wait to be read", str(full), retry_after=60
        ) from None


@cache
def _warn_of_old_path(provider: str) -> None:
    """Once in the life of the process: the results are taken all the same."""
    logger.warning(
        "the URL of %s ends in %s, which every provider signs with: %s",
        provider,
        hooks.SETTING,
        hooks.new_url(provider),
    )


rate = Rate()


def _paced(key: str, *, setting: str, whose: str) -> None:
    """Before anything of the body is looked at. Raises DeliveryRefused."""
    per_minute: int = settings.CI_HEALING[setting]
    if wait := rate.wait(key, per_minute=per_minute):
        told = f"{per_minute} a minute are taken {whose}; CI_HEALING_{setting} says how many."
        raise DeliveryRefused(429, "too-many-requests", "Too many requests", told, retry_after=wait)


def _hurry(payload: dict[str, Any], hook: hooks.Hook, *, provider: str) -> None:
    """A forge that tells of our own change brings the next look at it forward; what it tells is not
    believed, it is looked at.
    """
    own_change = registry.PROVIDERS[provider].own_change
    told = own_change(payload) if own_change else None
    if told and hook.speaks_for(told[0]):
        service.hurry(*told)


def _listening(provider: str) -> Listening:
    hooks = registry.offered(lambda one: one.hook)
    if provider not in hooks:
        known = ", ".join(sorted(hooks))
        raise DeliveryRefused(
            404,
            "unknown-provider",
            "No such provider",
            f"There are webhooks for {known}; any CI can use the generic one.",
        )
    return hooks[provider]


def _headers(request: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _body(request: HttpRequest) -> bytes:
    """At most the permitted bytes, whatever Content-Length says."""
    limit: int = settings.CI_HEALING["MAX_BODY"]
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal():
        raise DeliveryRefused(400, "bad-request", "Content-Length is no number")
    if len(length) > 18 or int(length) > limit:
        raise _too_large(limit)
    try:
        body = request.read(limit + 1)
    except UnreadablePostError:
        raise DeliveryRefused(400, "bad-request", "The body ended early") from None
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> DeliveryRefused:
    return DeliveryRefused(
        413,
        "too-large",
        "The body is too large",
        f"At most {limit} bytes are taken; send the end of the log.",
    )


def _authentic(
    raw: RawRequest, *, provider: str, listening: Listening
) -> list[tuple[hooks.Hook, str]]:
    """The hooks whose secret signed it, each with the delivery id. Raises DeliveryRefused where
    there is none.
    """
    found, objection = list[tuple[hooks.Hook, str]](), ""
    for hook in _hooks(provider):
        try:
            found.append((hook, listening.verify(raw, hook.secrets)))
        except BadSignature as error:
            objection = str(error)
    if not found:
        raise DeliveryRefused(
            401,
            "bad-signature",
            "The signature does not prove the sender",
            objection or _no_secret(provider),
        )
    return found


def _hooks(provider: str) -> list[hooks.Hook]:
    return hooks.hooks_for(
        provider,
        environment=_secrets(),
        policy=policy_file.current()[0],
        secret_in_url=registry.PROVIDERS[provider].secret_in_url,
    )


def _no_secret(provider: str) -> str:
    return f"no secret is set here: set {hooks.SETTING} or {hooks.own_secret(provider)}"


def _secrets() -> dict[str, str]:
    """The environment, with the service's own webhook secrets as the settings resolved them (files,
    data directory).
    """
    return hooks.named(os.environ, own=settings.CI_HEALING["WEBHOOK_SECRETS"])


def _spoken_for(
    authentic: list[tuple[hooks.Hook, str]], results: list[Result]
) -> tuple[hooks.Hook, str]:
    """The first authentic hook that may speak for every repository named. Raises
    DeliveryRefused.
    """
    repositories = {result.repository for result in results if not isinstance(result, Ignored)}
    for hook, delivery_id in authentic:
        if all(hook.speaks_for(repository) for repository in repositories):
            return hook, delivery_id
    names = ", ".join(sorted(repositories))
    raise DeliveryRefused(
        403,
        "not-this-hooks-repository",
        "The hook does not speak for this repository",
        f"Its secret is not for {names}.",
    )


def _payload(raw: RawRequest) -> dict[str, Any]:
    try:
        return _wire.json_object(_json(raw))
    except BadPayload as error:
        raise _unreadable(error) from None


def _results(raw: RawRequest, payload: dict[str, Any], *, listening: Listening) -> list[Result]:
    try:
        return listening.parse(raw, payload) or [
            Ignored(reason="nothing in it is the result of a job")
        ]
    except BadPayload as error:
        raise _unreadable(error) from None


def _unreadable(error: BadPayload) -> DeliveryRefused:
    return DeliveryRefused(400, "bad-payload", "The body cannot be read", str(error))


def _json(raw: RawRequest) -> bytes:
    """The JSON text: the body, or its `payload` field where GitHub was left at its default content
    type.
    """
    if (
        not raw.headers.get("content-type", "")
        .lower()
        .startswith("application/x-www-form-urlencoded")
    ):
        return raw.body
    try:
        fields = parse_qs(raw.body, max_num_fields=10)
    except ValueError:
        raise BadPayload("the form has more than 10 fields") from None
    return fields.get(b"payload", [b""])[0]


def _answer(receipt: Receipt) -> HttpResponse:
    ignored = [outcome.ignored for outcome in receipt.outcomes if outcome.ignored]
    runs = [_run(outcome) for outcome in receipt.outcomes if outcome.run_id]
    if ignored and len(ignored) == len(receipt.outcomes):
        return JsonResponse({"ignored": "; ".join(dict.fromkeys(ignored))})
    if len(runs) > 1:
        return JsonResponse({"runs": runs}, status=202)
    return JsonResponse(
        runs[0] if runs else {"deliveryId": str(receipt.delivery), "status": receipt.status},
        status=202,
    )


def _run(outcome: ResultOutcome) -> dict[str, Any]:
    return {
        "runId": str(outcome.run_id),
        "status": outcome.status,
        "deduplicated": outcome.deduplicated,
    }
