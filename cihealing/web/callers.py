"""Whose request it is: the address of the client, its scheme and host, whatever stands between it
and us.

Forwarded headers are anybody's to write. They are believed of the proxies named in
`CI_HEALING_TRUSTED_PROXIES` alone, hop by hop from the right: the first address that is none of
theirs is the client. Here they are read and taken away, so that nothing after this can believe
them; every reader of an address asks for `REMOTE_ADDR`.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.http import HttpRequest

from cihealing.web.middleware import around
from cihealing.web.proxies import Caller, caller

logger = logging.getLogger(__name__)

FOR, PROTO, HOST = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST"
FORWARDED = (
    FOR,
    PROTO,
    HOST,
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_SERVER",
    "HTTP_X_FORWARDED_SCHEME",
    "HTTP_X_FORWARDED_SSL",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_FORWARDED",
    "HTTP_X_REAL_IP",
)
UNBELIEVED = "cihealing.forwarded"
"""In META where a forwarded header came from nobody we trust: `REMOTE_ADDR` may then be a proxy's
address.
"""
SCHEME = "cihealing.scheme"
"""In META, as a trusted proxy said. Names of headers never look like this, so no client can set
it.
"""


def settle(request: HttpRequest) -> None:
    """Put into META what is believed, and take out what is not."""
    meta = request.META
    given = {name: str(meta.pop(name)) for name in FORWARDED if name in meta}
    if not given:
        return
    peer, trusted = str(meta.get("REMOTE_ADDR") or ""), settings.CI_HEALING["TRUSTED_PROXIES"]
    found = caller(
        peer,
        forwarded_for=given.get(FOR, ""),
        proto=given.get(PROTO, ""),
        host=given.get(HOST, ""),
        trusted=trusted,
    )
    if found is None or FOR not in given:
        meta[UNBELIEVED] = peer
    if found is None:
        _warn(peer)
    else:
        _believe(request, found)


def _believe(request: HttpRequest, found: Caller) -> None:
    request.META["REMOTE_ADDR"] = found.address
    if found.scheme:
        request.META[SCHEME] = found.scheme
    if found.host:
        request.META["HTTP_HOST"] = found.host
    scope = getattr(request, "scope", None)
    if scope is not None and scope.get("client"):
        # The server's own access log reads it there.
        scope["client"] = (found.address, scope["client"][1])


_warned = set[str]()


def _warn(peer: str) -> None:
    """Once for each process and peer, for few peers: anybody may send such headers."""
    if peer not in _warned and len(_warned) < 5:
        _warned.add(peer)
        told = (
            "forwarded headers from %s are not believed: if a proxy of yours is there, name it in"
            " CI_HEALING_TRUSTED_PROXIES"
        )
        logger.warning(told, peer or "a socket")


middleware = around(before=settle)
