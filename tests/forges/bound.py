"""All that a forge offers, bound to one repository, under one roof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cihealing import registry
from cihealing.domain.policy import RepositoryPolicy
from cihealing.ports import Site
from tests.groups import holding


class Bound:
    """Every method of every port that the forge of provider `name` has."""

    def __init__(
        self,
        name: str,
        settings: Mapping[str, str],
        *,
        repository: str = "acme/shop",
        policy: RepositoryPolicy | None = None,
    ) -> None:
        entry = policy or RepositoryPolicy(match="*", forge=name)
        site = Site(repository=repository, policy=entry, url="https://heal.example")
        provider = registry.PROVIDERS[name]
        assert provider.forge is not None
        forge = provider.forge(holding(provider.settings, settings))
        offers = (forge.publishing, forge.changes, forge.voice, forge.permissions, forge.leaving)
        self.parts = [offer(site) for offer in offers if offer]

    def __getattr__(self, method: str) -> Any:
        return next(getattr(part, method) for part in self.parts if hasattr(part, method))
