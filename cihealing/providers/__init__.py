"""Who there is to be heard and asked: one folder a provider, whose `provider.py` exports all it
offers as `PROVIDER`, and whose `settings.py`, where it has any, its settings as `SETTINGS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

from cihealing import discovery
from cihealing.ports import Provider
from cihealing.settings import Group


@cache
def known() -> Mapping[str, Provider[Any]]:
    """Every provider by its name."""
    return discovery.found(__name__, "PROVIDER", Provider, file="provider")


def settings() -> Mapping[str, type[Group]]:
    """Their settings by the providers' names, without loading the providers themselves."""
    return {name: _settings_of(name) for name in sorted(discovery.names(__name__))}


def _settings_of(name: str) -> type[Group]:
    module = f"{__name__}.{name}.settings"
    declared = discovery.exported(module, "SETTINGS", type) if find_spec(module) else Group
    if not issubclass(declared, Group):
        raise TypeError(f"{module} is to export SETTINGS, a group of settings")
    return declared


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
