"""Who there is, found by being there: providers, fixers, handlers of effects; and the bundle of
tools made of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings

from cihealing import guard, providers
from cihealing.discovery import found
from cihealing.effects.shared.handler import DeliveryHandler, EffectHandler, Handler
from cihealing.ports import Fixer, PermanentError, Provider, ServedModel, Tools, TransientError
from cihealing.providers.shared.models import SubprocessModel
from cihealing.scratch import sweep
from cihealing.service.running import Capability, Reader
from cihealing.settings import Group, Own, Settings
from cihealing.store.job_history import JobHistory, StoredArtifacts
from cihealing.workshop import process
from cihealing.workshop.runner import ProjectRunner
from cihealing.workshop.sandbox import cgroup, choose, leftovers, trouble
from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
from cihealing.workshop.sandbox.walls import ACCEPTABLE
from cihealing.workshop.trees import GitTrees

log = logging.getLogger(__name__)

Port = TypeVar("Port")

PROVIDERS: Mapping[str, Provider[Any]] = providers.known()
FIXERS: Sequence[Fixer] = sorted(
    found("cihealing.fixers", "FIXER", Fixer).values(), key=attrgetter("order", "name")
)
"""Asked in this order."""


HANDLERS: Sequence[Handler] = tuple(found("cihealing.effects", "HANDLER", Handler).values())
CAPABILITIES: Mapping[str, Capability] = {
    one.name: one for one in HANDLERS if isinstance(one, EffectHandler)
}
READERS: Mapping[str, Reader] = {
    one.name: one for one in HANDLERS if isinstance(one, DeliveryHandler)
}


def offered(port: Callable[[Provider[Any]], Port | None]) -> dict[str, Port]:
    """What each provider that offers this port has for it, by the provider's name."""
    offers = ((name, port(one)) for name, one in PROVIDERS.items())
    return {name: offer for name, offer in offers if offer is not None}


def named(fact: Callable[[Provider[Any]], bool]) -> list[str]:
    """The names of the providers for which `fact` holds."""
    return [name for name, one in PROVIDERS.items() if fact(one)]


def made(port: Callable[[Provider[Any]], Callable[[Any], Port] | None]) -> dict[str, Port]:
    """The same of what is made with a provider's settings."""
    return {name: make(own(name)) for name, make in offered(port).items()}


def current() -> Settings:
    """The settings in force."""
    found = settings.ENVIRONMENT
    assert isinstance(found, Settings)
    return found


def own(provider: str) -> Group:
    """A provider's settings."""
    return current().providers[provider]


def own_of(kind: type[Own]) -> Own:
    """The settings of the provider that declares this kind."""
    return next(group for group in current().providers.values() if isinstance(group, kind))


def served() -> dict[str, tuple[str, ServedModel]]:
    """Models that can be asked, by the name policy calls them: the provider in whose protocol, and
    the service.
    """
    return {
        service.name: (name, service)
        for name, speaking in offered(lambda one: one.speaking).items()
        for service in speaking.serves(own(name))
    }


@cache
def tools() -> Tools:
    """The tools of this process."""
    groups = current()
    trees = GitTrees(
        Path(settings.CI_HEALING["DATA_DIR"]) / "mirrors",
        settings=groups.clones,
        credentials=tuple(made(lambda one: one.credentials).values()),
    )
    return Tools(
        logs=made(lambda one: one.logs),
        expanding=made(lambda one: one.expanding),
        identifying=made(lambda one: one.identifying),
        reruns=made(lambda one: one.reruns),
        runner=ProjectRunner(trees, settings=groups.sandbox),
        trees=trees,
        sandbox=lambda policy: choose(groups.sandbox, policy=policy),
        forges=made(lambda one: one.forge),
        fixers=FIXERS,
        guard=guard.check,
        artifacts=StoredArtifacts(),
        history=JobHistory(),
        model=SubprocessModel(served(), outbound=groups.outbound),
        chats=tuple(made(lambda one: one.chat).values()),
        cancelling=process.cancelling,
        models=groups.models,
        url=settings.CI_HEALING["URL"],
    )


def sandbox_trouble() -> str | None:
    """Why code of untrusted repositories is not run on this machine; None where it is. What is
    installed may be forbidden: it is tried.
    """
    return trouble(current().sandbox)


def sandbox_trouble_here() -> str | None:
    """The same for pages: None also where other processes than this one run the code (production),
    whose machines may be others.
    """
    return (
        sandbox_trouble()
        if settings.CI_HEALING["ENV"] == "embedded" and settings.CI_HEALING["SANDBOX"] != "plain"
        else None
    )


def sandbox_given_up() -> list[str]:
    """What it means that walls are missing which the operator accepted to be without."""
    return [f"{ACCEPTABLE[name]} ({why})" for name, why in Bubblewrap().lacking().items()]


def sandbox_counts() -> str:
    return (
        "the kernel (cgroup v2)" if cgroup.delegated() else "watching (no cgroup v2 was delegated)"
    )


def end_leftovers() -> int:
    """End what sandboxes of a killed service left behind: processes, control groups, trees. To be
    called at start.
    """
    return leftovers.end_leftovers() + cgroup.end_leftovers() + sweep()


def warn_of_excess() -> None:
    """Say once, at start, what a credential may do beyond what is needed. What cannot be asked is
    for `cihealing doctor --online`.
    """
    for name, excess in offered(lambda one: one.excess).items():
        try:
            beyond = excess(own(name))
        except (PermanentError, TransientError) as problem:
            log.info("credentials were not looked at: %s", problem)
            continue
        for told in beyond:
            log.warning("%s", told)
