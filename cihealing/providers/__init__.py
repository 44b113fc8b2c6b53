"""Who there is to be heard and asked: one folder a provider, which exports all it offers as
`PROVIDER`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from cihealing.discovery import found
from cihealing.ports import Provider


@cache
def known() -> Mapping[str, Provider]:
    """Every provider by its name."""
    return found(__name__, "PROVIDER", Provider)


def host_of_ids(provider: str) -> str:
    """The one host that all ids of this provider are unique on; empty where there are several."""
    one = known().get(provider)
    return one.hosts.ids if one is not None and one.hosts is not None else ""


@cache
def public_hosts() -> frozenset[str]:
    """Everybody's services, whichever provider they are of."""
    return frozenset(
        host for one in known().values() if one.hosts is not None for host in one.hosts.public
    )
