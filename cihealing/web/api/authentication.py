"""Who calls: a browser session, or a program with the service's bearer token."""

from __future__ import annotations

import hmac
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from cihealing.domain.values import Actor
from cihealing.web import tries

REALM = 'Bearer realm="cihealing"'


class TokenUser:
    """Who holds the API token. Not a row: it can log in nowhere, and there is no password to
    guess.
    """

    username = "api"
    pk = None
    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = True
    holds_token = True

    def get_username(self) -> str:
        return self.username


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer TOKEN`, compared in constant time. An unset token lets nobody in."""

    def authenticate(self, request: Request) -> tuple[TokenUser, None] | None:
        given = bearer(request)
        if given is None:
            return None
        if tries.tokens_refused(request):
            raise Throttled(
                tries.WAIT.total_seconds(), "Too many wrong tokens came from this address."
            )
        if not same(given, setting("API_TOKEN")):
            tries.count_wrong_token(request)
            raise AuthenticationFailed(
                "The token is wrong. It lies in api_token in the data directory, or is what"
                " CI_HEALING_API_TOKEN says."
            )
        return TokenUser(), None

    def authenticate_header(self, request: Request) -> str:
        return REALM


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "cihealing.web.api.authentication.BearerToken"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


def bearer(request: Request | HttpRequest) -> str | None:
    """The token of the Authorization header; None where there is none of this scheme."""
    scheme, _, token = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def same(given: str, expected: str) -> bool:
    """Headers may hold any character, so bytes are compared; an empty secret equals nothing."""
    return bool(expected) and hmac.compare_digest(
        given.encode("utf-8", "replace"), expected.encode()
    )


def setting(name: str) -> str:
    return str(getattr(settings, "CI_HEALING", {}).get(name) or "")


def actor_of(request: Request) -> Actor:
    return Actor(kind="person", name=request.user.get_username())
