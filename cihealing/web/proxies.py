"""Who stands between a client and us: reading forwarded headers hop by hop. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from cihealing.settings import Network

Address = IPv4Address | IPv6Address

MAX_HOPS = 20


@dataclass(frozen=True, kw_only=True)
class Caller:
    """`scheme` and `host` are empty where no trusted proxy names them."""

    address: str
    scheme: str = ""
    host: str = ""


def caller(
    peer: str, *, forwarded_for: str, proto: str, host: str, trusted: Sequence[Network]
) -> Caller | None:
    """`peer` is who is connected to us, the rest what its headers say; None where it is no trusted
    proxy.
    """
    address = address_of(peer)
    if address is None or not within(address, trusted):
        return None
    for hop in reversed(forwarded_for.split(",")[-MAX_HOPS:]):
        earlier = address_of(hop)
        # What is no address was written by nobody we trust: who wrote it is the nearest we know.
        if earlier is None or not within(address, trusted):
            break
        address = earlier
    scheme = _last(proto).lower()
    return Caller(
        address=str(address), scheme=scheme if scheme in ("http", "https") else "", host=_last(host)
    )


def _last(value: str) -> str:
    """Of several values the one the nearest proxy wrote."""
    return value.rpartition(",")[2].strip()


def address_of(text: str) -> Address | None:
    """From `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def within(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def neighbourhood(address: str) -> str | None:
    """The address limits are counted by: whoever has one IPv6 address has its whole /64. None where
    it is no address.
    """
    found = address_of(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, 64), strict=False).network_address)
    return str(found) if found else None
