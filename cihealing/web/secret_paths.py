"""Secrets that senders write into the path of a webhook: taken out of it before anything routes,
logs or shows it.

Jenkins' plugin signs nothing, so the last part of its URL is its token. Whoever mistypes that URL
has still written the token into it: whatever follows the webhook's place is taken out, however it
is written.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest

from cihealing import discovery
from cihealing.web.middleware import around

MASK = "[token]"
HOME = "/api/v1/ci-healing/"
PLACE = f"{HOME}webhook/jenkins/"
TOKEN = "cihealing.path_token"  # noqa: S105 - the key the token is carried under, in an ASGI scope or a WSGI environment
URIS = ("RAW_URI", "REQUEST_URI")
"""Where WSGI servers keep the request line for their own logs."""
LONGEST = 2_000
"""Characters of a path: no page of ours has a longer one."""
ROUNDS = 4
"""Times a path may be percent-encoded over and over; of one that is more often nothing encoded is
shown.
"""

_APART = r"[^A-Za-z0-9_-]"
_WORDS = r"(?:webhooks?|jenkins)"
_KNOWN = rf"(?:webhooks?|{'|'.join(sorted(discovery.names('cihealing.providers')))})"
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_NAMED = re.compile(rf"[/\\]{_WORDS}(?:{_APART}|\Z)", re.IGNORECASE)
_SECRET = re.compile(
    rf"(?P<shown>.*?[/\\]{_WORDS}(?:{_APART}++{_KNOWN}(?={_APART}|\Z))*+{_APART}++).",
    re.IGNORECASE | re.DOTALL,
)


def hidden(path: str) -> tuple[str, str]:
    """(the path without a secret, the secret). The secret is empty where the path is not exactly
    that of Jenkins' webhook.
    """
    before, place, token = path.partition(PLACE)
    if token and masked(before) == before:
        return before + place + MASK, token
    return masked(path), ""


def masked(path: str) -> str:
    """The path, with all of it masked that may be a secret."""
    if len(path) > LONGEST:
        # Whose answer it gets, a page's or the API's, still shows.
        return f"{HOME}{MASK}" if path.startswith(HOME) else f"/{MASK}"
    plain = _decoded(path)
    still = _ENCODED.search(plain)
    found = _SECRET.match(plain, 0, still.start() if still else len(plain))
    if found:
        return found["shown"] + MASK
    return plain[: still.start()] + MASK if still else path


def _decoded(path: str) -> str:
    for _ in range(ROUNDS):
        path = unquote(path)
    return path


def names_a_webhook(path: str) -> bool:
    return bool(_NAMED.search(_decoded(path[:LONGEST])))


def hide_in_scope(scope: MutableMapping[str, Any]) -> None:
    """Of ASGI. In place: the server's own log reads the same mapping when the answer begins."""
    path = scope.get("path", "")
    shown, scope[TOKEN] = hidden(path)
    if shown != path:
        scope["path"], scope["raw_path"] = shown, shown.encode("utf-8", "replace")
    if shown != path or names_a_webhook(shown):
        scope["query_string"] = b""


def hide_in_environ(environ: MutableMapping[str, Any]) -> None:
    """Of WSGI. In place, for the same reason."""
    path = _of_wsgi(environ.get("PATH_INFO", ""))
    shown, environ[TOKEN] = hidden(path)
    if shown != path:
        environ["PATH_INFO"] = shown.encode().decode("latin-1")
    if shown != path or names_a_webhook(shown):
        environ["QUERY_STRING"] = ""
        environ.update({name: shown for name in URIS if name in environ})


def _of_wsgi(text: str) -> str:
    """WSGI hands bytes over as Latin-1. Source: PEP 3333, 'Unicode Issues'."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def hide_in_request(request: HttpRequest) -> None:
    """What no entry point of ours has looked at yet, and the token where the webhook's view finds
    it.
    """
    token = getattr(request, "scope", request.META).get(TOKEN, "")
    shown, found = hidden(request.path_info)
    if shown != request.path_info:
        request.path, request.path_info = masked(request.path), shown
        request.META["PATH_INFO"] = shown
    if names_a_webhook(shown):
        request.META["QUERY_STRING"] = ""
    request.META[TOKEN] = token or found


middleware = around(before=hide_in_request)
