"""Transports that connect where the rules of `urls` allow: names are resolved once, every address
is judged, one of them is connected to.

With a proxy the proxy resolves names: then only what the words of a URL tell is judged.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path

import httpx

from cihealing.http import addresses
from cihealing.http.refusal import RequestRefused
from cihealing.http.urls import Allowed, judge_address
from cihealing.ports import PermanentError, TransientError
from cihealing.settings import OutboundSettings

PROXY, CA_BUNDLE = "CI_HEALING_HTTPS_PROXY", "CI_HEALING_CA_BUNDLE"
MAX_ADDRESSES = 4
"""Of a name's addresses that are tried, one after the other."""

# Who bounds the time of a request must see its connection being made; and a connection that is kept
# is one that was judged long ago.
_ONE_REQUEST = httpx.Limits(max_keepalive_connections=0)

Resolve = Callable[[str, int], list[str]]
"""The addresses of a name, best first. Raises OSError."""


def system(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Pinned(httpx.BaseTransport):
    """Sends over `inner` to an address that was judged; Host header and the certificate's name stay
    those of the URL.
    """

    def __init__(
        self, inner: httpx.BaseTransport, *, among: Allowed, resolve: Resolve = system
    ) -> None:
        self.inner, self.among, self.resolve = inner, among, resolve

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises RequestRefused, TransientError (no such name now) and what `inner` raises."""
        host = request.url.host
        tried = self.judged(
            host, request.url.port or (443 if request.url.scheme == "https" else 80)
        )
        for address in tried[:-1]:
            try:
                return self.inner.handle_request(_at(request, address=address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return self.inner.handle_request(_at(request, address=tried[-1]))

    def judged(self, host: str, port: int) -> list[str]:
        """A few of the name's addresses; one bad address among good ones refuses them all."""
        found = [host] if addresses.parsed(host) else self._resolved(host, port)
        for address in found:
            if refusal := judge_address(address, host=host, among=self.among):
                raise RequestRefused(refusal)
        return found[:MAX_ADDRESSES]

    def _resolved(self, host: str, port: int) -> list[str]:
        try:
            found = self.resolve(host, port)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise TransientError(f"the name {host} has no address at the moment")
        return found

    def close(self) -> None:
        self.inner.close()


def _at(request: httpx.Request, *, address: str) -> httpx.Request:
    """The same request to one address: `sni_hostname` is also the name the certificate must be
    for.
    """
    host = request.url.host
    names = {} if addresses.parsed(host) else {"sni_hostname": host}
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, **names},
    )


class Routed(httpx.BaseTransport):
    """Through the proxy, but for the hosts of CI_HEALING_NO_PROXY."""

    def __init__(
        self, *, direct: httpx.BaseTransport, proxy: httpx.BaseTransport, without: Sequence[str]
    ) -> None:
        self.direct, self.proxy, self.without = direct, proxy, without

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        chosen = self.direct if bypasses(request.url.host, without=self.without) else self.proxy
        return chosen.handle_request(request)

    def close(self) -> None:
        self.direct.close()
        self.proxy.close()


def bypasses(host: str, *, without: Sequence[str]) -> bool:
    """Whether `host` is one of the names, suffixes (`.corp.example`), addresses,
    networks or `*` in `without`.
    """
    return any(_named(host, entry.lower()) for entry in without)


def _named(host: str, entry: str) -> bool:
    address = addresses.parsed(host)
    if address is None:
        name = entry.removeprefix("*").lstrip(".")
        return entry == "*" or (bool(name) and (host == name or host.endswith(f".{name}")))
    try:
        return entry == "*" or address in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def transport(
    settings: OutboundSettings, *, among: Allowed, resolve: Resolve = system
) -> httpx.BaseTransport:
    """What really goes out. Raises PermanentError where the proxy's URL or the bundle of
    certificates is of no use.
    """
    context = _context(settings.ca_bundle.strip())
    direct = Pinned(
        httpx.HTTPTransport(verify=context, trust_env=False, limits=_ONE_REQUEST),
        among=among,
        resolve=resolve,
    )
    proxy = settings.https_proxy.strip()
    if not proxy:
        return direct
    try:
        tls = context if proxy.lower().startswith("https:") else None
        through = httpx.HTTPTransport(
            verify=context,
            trust_env=False,
            limits=_ONE_REQUEST,
            proxy=httpx.Proxy(proxy, ssl_context=tls),
        )
    except (ValueError, httpx.InvalidURL):
        raise PermanentError(f"{PROXY} is no URL of a proxy (http://proxy.example:3128)") from None
    return Routed(direct=direct, proxy=through, without=settings.no_proxy)


def _context(bundle: str) -> ssl.SSLContext:
    try:
        return _trusting(bundle, Path(bundle).stat().st_mtime if bundle else 0.0)
    except OSError as error:  # ssl.SSLError is one
        raise PermanentError(
            f"{CA_BUNDLE}: no certificates can be read from {bundle}: {type(error).__name__}"
        ) from None


@lru_cache(maxsize=4)
def _trusting(bundle: str, _changed: float) -> ssl.SSLContext:
    """The usual certificates and those of `bundle`; read again when the file has changed."""
    context = httpx.create_ssl_context(trust_env=False)
    if bundle:
        context.load_verify_locations(cafile=bundle)
    return context
