"""What kind of network an address leads to. Pure.

Source: IANA IPv4 and IPv6 Special-Purpose Address Registries; the clouds' own pages for their
metadata services.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(*names: str) -> tuple[Network, ...]:
    return tuple(ip_network(name) for name in names)  # pragma: no mutate


# Asked in this order: the metadata services lie within wider ranges. Networks for documentation
# (192.0.2.0/24, 2001:db8::/32 …) are not listed: nothing answers there, so refusing them would
# protect nothing.
KINDS: tuple[tuple[str, tuple[Network, ...]], ...] = (
    (
        "metadata",
        _networks(
            "169.254.169.254/32",
            "169.254.169.253/32",
            "169.254.169.123/32",
            "169.254.170.2/32",
            "169.254.170.23/32",
            "169.254.0.23/32",
            "100.100.100.200/32",
            "168.63.129.16/32",
            "192.0.0.192/32",
            "fd00:ec2::23/128",
            "fd00:ec2::123/128",
            "fd00:ec2::253/128",
            "fd00:ec2::254/128",
            "fd20:ce::254/128",
            "fd00:42::42/128",
        ),
    ),
    ("unspecified", _networks("0.0.0.0/8", "::/128")),
    ("loopback", _networks("127.0.0.0/8", "::1/128")),
    ("link_local", _networks("169.254.0.0/16", "fe80::/10")),
    (
        "private",
        _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
    ),
    ("shared", _networks("100.64.0.0/10")),
    ("multicast", _networks("224.0.0.0/4", "ff00::/8")),
    (
        "reserved",
        _networks(
            "192.0.0.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "240.0.0.0/4",
            "100::/64",
            "2001:1::/32",
            "2001:2::/48",
            "2001:10::/28",
            "2001:20::/28",
            "5f00::/16",
            "3ffe::/16",
        ),
    ),
)

_LAST_FOUR_BYTES = _networks(
    "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_SIX_TO_FOUR, _TEREDO = IPv6Network("2002::/16"), IPv6Network("2001::/32")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def parsed(text: str) -> Address | None:
    """The address as `getaddrinfo` names it (a zone is left out); None for what is none."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def kind(address: Address) -> str:
    """One of KINDS' names, empty for an ordinary public address. An IPv4 address wrapped in an IPv6
    one is not unwrapped here.
    """
    found = next(
        (name for name, networks in KINDS if any(address in network for network in networks)), ""
    )
    return found or (
        "reserved" if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST else ""
    )


def embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that a translator, a tunnel or the stack itself would reach behind this one;
    None where there is none.
    """
    if isinstance(address, IPv4Address) or int(address) in (0, 1):
        return None
    number = int(address)
    if (
        any(address in network for network in _LAST_FOUR_BYTES)
        or (number >> 32) & 0xFFFF_FFFF in _ISATAP
    ):
        return IPv4Address(number & 0xFFFF_FFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address((number >> 80) & 0xFFFF_FFFF)
    return address.teredo[1] if address in _TEREDO and address.teredo else None
