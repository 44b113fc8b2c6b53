"""Which URLs may be fetched, and which addresses may be connected to for them. Pure: nothing is
resolved here.

A URL comes from a webhook, from an API's answer or from a redirect, so its writer may be hostile.
It is split by one strict grammar, and what is asked for later is built from those parts: no second
parser can see another host in it. Every refusal names a stable rule.

Sources: RFC 3986; WHATWG URL, 'Host parsing'; OWASP 'Server-Side Request Forgery Prevention Cheat
Sheet'; PortSwigger 'SSRF' and 'URL validation bypass cheat sheet'.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin

from cihealing.http import addresses
from cihealing.http.refusal import Refusal
from cihealing.ports import Hosts
from cihealing.settings import OutboundSettings

MAX_URL = 8_000
PORTS = {"http": 80, "https": 443}

FETCH_HOSTS = "CI_HEALING_FETCH_HOSTS"

_S3 = re.compile(r"(?:[a-z0-9][a-z0-9.-]*\.)?s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com")

_METADATA_NAMES = frozenset(
    {
        "metadata.google.internal",
        "metadata.goog",
        "metadata",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.azure.internal",
        "metadata.azure.com",
        "metadata.tencentyun.com",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "metadata.oraclecloud.com",
    }
)
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<slashes>/*)(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?"
)
# What CI pages mark places with (`#step:4:12`, `#L10`, a job's id). It is not sent; a stranger one
# is there to confuse who reads the host.
_FRAGMENT = re.compile(r"#[A-Za-z0-9:._-]*")
_PORT = re.compile(r"[0-9]{1,5}")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_QUAD = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ALPHABETS = re.compile(r"[^\x00-\x7f]+")
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A URL taken apart. `host` is lower-case ASCII, an IPv6 literal without brackets; `path`
    begins with a slash and holds the query.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Host and, where it is not the usual one, port: as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def plain(self) -> str:
        """For messages: without the query, which may hold a signature."""
        return f"{self.scheme}://{self.authority}{self.path.partition('?')[0]}"[:300]


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base URL as a setting names it. Only to its origin a credential may go."""

    target: Target
    setting: str

    @property
    def url(self) -> str:
        return f"{self.target.scheme}://{self.target.authority}{self.target.path}".rstrip("/")


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """Where one side (or any) may be asked. `hosts` are names, `*.example.com` for all below, met
    over https at port 443 alone.
    """

    bases: tuple[Base, ...]
    hosts: tuple[str, ...] = ()
    s3: bool = False
    public: frozenset[str] = frozenset()
    """Everybody's services: a private address for one of these is a lie, configured or not."""

    def base_of(self, target: Target) -> bool:
        """Whether exactly this origin is configured."""
        return any(target.origin == base.target.origin for base in self.bases)

    def configured(self, host: str) -> bool:
        """Whether a setting names this host itself, and it is not everybody's."""
        return host not in self.public and any(host == base.target.host for base in self.bases)

    def listed(self, host: str) -> bool:
        return any(_matches(host, pattern) for pattern in self.hosts) or (
            self.s3 and bool(_S3.fullmatch(host))
        )


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def base_of(value: str, *, setting: str) -> Base | Refusal:
    """The base URL in a setting; the refusal names the setting."""
    found = split(value.strip(), names=True)
    if isinstance(found, Refusal):
        return Refusal(found.rule, f"{setting}: {found.text}")
    if "?" in found.path:
        return Refusal("url.base_query", f"{setting}: a base URL has no query")
    return Base(target=found, setting=setting)


def bases_of(side: Hosts) -> list[Base | Refusal]:
    """The base URLs of one side; what is wrong with one stands in its place."""
    return [base_of(base, setting=side.setting) for base in side.bases]


def allowed(
    settings: OutboundSettings, *, sides: Sequence[Hosts], public: frozenset[str] = frozenset()
) -> Allowed:
    """Where `sides` may be asked and may send us to. `public`: everybody's services besides theirs.

    A name in CI_HEALING_FETCH_HOSTS is met at https and a public address alone; a whole URL there
    (an own object store) at its own scheme, port and address.
    """
    further = settings.fetch_hosts
    stores = [base_of(part, setting=FETCH_HOSTS) for part in further if "://" in part]
    named = [(one, found) for one in sides for found in bases_of(one)]
    good = tuple(base for base in (*(b for _, b in named), *stores) if isinstance(base, Base))
    names = (
        *(part.lower() for part in further if "://" not in part),
        *(host for one in sides for host in one.stores),
        *(page for one, b in named if isinstance(b, Base) for page in one.pages(b.target.host)),
    )
    return Allowed(
        bases=good,
        hosts=names,
        s3=any(one.s3 for one in sides),
        public=public.union(*(one.public for one in sides)),
    )


def split(url: str, *, names: bool = False) -> Target | Refusal:
    """The parts of a URL whose form deceives nobody. `names`: it is a setting's own, where a host
    may be written in any alphabet.
    """
    if refusal := _characters(url):
        return refusal
    found = _URL.fullmatch(url)
    if found is None:
        return Refusal("url.form", "a whole URL is expected, beginning with https://")
    scheme = found["scheme"].lower()
    if scheme not in PORTS:
        return Refusal("url.scheme", f"{scheme[:20]} is not fetched, only https is")
    if found["slashes"] != "//" or not found["authority"]:
        return Refusal("url.form", "a host is expected after https://")
    place = _authority(found["authority"], scheme=scheme, names=names)
    if isinstance(place, Refusal):
        return place
    refusal = _rest(found["path"], found["query"] or "", found["fragment"])
    path = (found["path"] or "/") + (found["query"] or "")
    return refusal or Target(
        scheme=scheme,
        host=place[0],
        port=place[1],
        path=_ALPHABETS.sub(lambda part: quote(part[0]), path),
    )


def _characters(url: str) -> Refusal | None:
    if len(url) > MAX_URL:
        return Refusal("url.too_long", f"a URL of at most {MAX_URL} characters is expected")
    if any(unicodedata.category(char) in _HIDDEN for char in url):
        return Refusal(
            "url.hidden", "the URL holds a blank, a control character or one nobody sees"
        )
    if "\\" in url:
        return Refusal("url.backslash", "the URL holds a backslash, which some read as a slash")
    return None


def _authority(authority: str, *, scheme: str, names: bool) -> tuple[str, int] | Refusal:
    if "@" in authority:
        return Refusal("url.userinfo", "the URL holds a user name before its host")
    if "%" in authority:
        return Refusal("url.encoded_host", "the host of the URL is written in escapes")
    host, colon, port = _cut_port(authority)
    if colon and not (_PORT.fullmatch(port) and 0 < int(port) < 65_536):
        return Refusal("url.port", "the URL's port is no number from 1 to 65535")
    name = _host(host, names=names)
    return name if isinstance(name, Refusal) else (name, int(port) if colon else PORTS[scheme])


def _cut_port(authority: str) -> tuple[str, str, str]:
    if authority.startswith("["):
        literal, bracket, rest = authority.partition("]")
        return literal + bracket, rest[:1], rest[1:] if rest.startswith(":") else rest
    return authority.partition(":")


def _host(host: str, *, names: bool) -> str | Refusal:
    if host.startswith("["):
        return _literal(host)
    if not host.isascii():
        return (
            _in_ascii(host)
            if names
            else Refusal(
                "url.unicode_host", "the URL's host is not written in ASCII (its xn-- form)"
            )
        )
    host = host.lower()
    if host.endswith("."):
        return Refusal("url.trailing_dot", "the URL's host ends with a dot")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]) and not _QUAD.fullmatch(host):
        return Refusal("url.number_host", "the URL's host is an address in an unusual notation")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return Refusal("url.host_form", "the URL's host is no name of the DNS")
    return host


def _literal(host: str) -> str | Refusal:
    address = addresses.parsed(host[1:-1])
    if address is None or address.version != 6 or not host.endswith("]"):
        return Refusal("url.host_form", "the brackets of the URL's host hold no IPv6 address")
    return address.compressed


def _in_ascii(host: str) -> str | Refusal:
    try:
        return _host(unicodedata.normalize("NFC", host).encode("idna").decode("ascii"), names=False)
    except UnicodeError:
        return Refusal("url.host_form", "the URL's host is no name of the DNS")


def _rest(path: str, query: str, fragment: str | None) -> Refusal | None:
    if fragment and not (path and _FRAGMENT.fullmatch(fragment)):
        return Refusal("url.fragment", "the URL's fragment is no plain mark on its page")
    if re.search(r"%(?:0[0-9a-f]|1[0-9a-f]|7f|5c)", path, re.I) or re.search(
        r"%(?:0[0ad])", query, re.I
    ):
        return Refusal(
            "url.escaped_control", "the URL holds an escaped control character or backslash"
        )
    # A slash may be escaped twice: Jenkins names the builds of a branch `feature/x` so.
    if re.search(r"%25(?:25)*(?:2e|5c|0[0-9a-f]|1[0-9a-f])", path, re.I):
        return Refusal("url.double_escape", "the path of the URL is escaped twice")
    # `..;` is `..` to servers that cut path parameters off.
    if any(
        segment.partition(";")[0] in (".", "..") for segment in unquote(unquote(path)).split("/")
    ):
        return Refusal("url.dot_segments", "the path of the URL climbs with dots")
    return None


def judge(url: str, *, among: Allowed) -> Target | Refusal:
    """The target of a URL that may be fetched, as far as its words tell; each address its name
    resolves to is judged by `judge_address`.
    """
    found = split(url)
    return found if isinstance(found, Refusal) else refused(found, among=among) or found


def refused(target: Target, *, among: Allowed) -> Refusal | None:
    """What is wrong with the place itself: an address or a name that is never asked, a host nobody
    configured, its scheme or its port.
    """
    if target.host in _METADATA_NAMES:
        return Refusal("host.metadata", f"{target.host} is a cloud's metadata service")
    if addresses.parsed(target.host) and (
        wrong := judge_address(target.host, host=target.host, among=among)
    ):
        return wrong
    if among.base_of(target):
        return None
    if target.scheme == "http":
        return Refusal(
            "url.http",
            f"{target.host} is asked over https alone: a setting names no http URL of it",
        )
    known = among.listed(target.host) or any(
        target.host == base.target.host for base in among.bases
    )
    if not known:
        return Refusal(
            "host.not_allowed",
            f"{target.host} is no host to fetch from: where it should be one, name it in"
            f" {FETCH_HOSTS}",
        )
    return (
        Refusal("url.port", f"{target.host} is not asked at port {target.port}")
        if target.port != 443
        else None
    )


_ONLY_CONFIGURED = ("private", "loopback", "shared")


def judge_address(address: str, *, host: str, among: Allowed) -> Refusal | None:
    """Whether `host` may be met at `address`, one of those its name resolved to.

    Private, loopback and carrier-grade addresses only where a setting names the host; link-local
    and reserved ones only where it names the address itself; metadata services, multicast and
    0.0.0.0 never.
    """
    found = addresses.parsed(address)
    if found is None:
        return Refusal("address.form", f"{host} has an address that is none")
    inner = addresses.embedded(found)
    if inner is not None and not (
        any(host == base.target.host for base in among.bases)
        and not _kind_refused(inner, host, among)
    ):
        return Refusal("address.embedded", f"{host} leads to {inner} through the address {found}")
    kind = _kind_refused(inner or found, host, among)
    return (
        Refusal(f"address.{kind}", _render_refusal(kind, host=host, address=found))
        if kind
        else None
    )


def _kind_refused(address: addresses.Address, host: str, among: Allowed) -> str:
    kind, literal = addresses.kind(address), addresses.parsed(host) == address
    if kind in _ONLY_CONFIGURED or (kind in ("link_local", "reserved") and literal):
        return "" if among.configured(host) else kind
    return kind


def _render_refusal(kind: str, *, host: str, address: addresses.Address) -> str:
    where = f"{host} leads to {address}," if str(address) != host else f"{host} is"
    more = (
        ": name its base URL in the setting of its side, if it is one"
        if kind in _ONLY_CONFIGURED
        else ""
    )
    return f"{where} a {kind.replace('_', '-')} address{more}"


def follow(current: Target, location: str, *, among: Allowed) -> Target | Refusal:
    """Where a redirect leads, judged like any other URL. What has no scheme is read against
    `current`.
    """
    if refusal := _characters(location):
        return refusal
    absolute = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", location)
    found = judge(
        (
            location
            if absolute
            else urljoin(f"{current.scheme}://{current.authority}{current.path}", location)
        ),
        among=among,
    )
    if isinstance(found, Target) and (current.scheme, found.scheme) == ("https", "http"):
        return Refusal("redirect.downgrade", f"{current.host} redirects from https down to http")
    return found
