"""Everything one provider offers, as one value that its folder exports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Self

from cihealing.domain.policy import Policy
from cihealing.ports.chat import Chat
from cihealing.ports.forge import Forge
from cihealing.ports.inbound import Listening, OwnChange, Signing
from cihealing.ports.jobs import Expanding, Identifying, Logs, Reruns
from cihealing.ports.model import Speaking
from cihealing.ports.trees import Credentials
from cihealing.settings import Own


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Where a provider's API is, and where its answers may lead to."""

    setting: str
    """The setting that holds its base URLs."""
    bases: tuple[str, ...] = ()
    """What it holds."""
    stores: tuple[str, ...] = ()
    """Where it keeps logs, by its own documentation: such hosts never see a credential."""
    s3: bool = False
    """Whether it keeps logs in buckets of S3."""
    pages: Callable[[str], tuple[str, ...]] = lambda _host: ()
    """Hosts of the pages people see, by the API's host, where they are others."""
    ids: str = ""
    """The host all its ids are unique on, where its pages live on several."""
    public: frozenset[str] = frozenset()
    """Everybody's services: a private address for one of these is a lie, configured or not."""

    def at(self, *bases: str) -> Self:
        """The same with the base URLs that the setting holds."""
        return replace(self, bases=bases)


@dataclass(frozen=True, kw_only=True)
class Check(Generic[Own]):
    """One question to the other side for `cihealing doctor --online`."""

    subject: str
    excuse: Callable[[Own], str]
    """Why nothing is asked; empty where it is."""
    question: Callable[[Own], list[str]]
    """What is to be looked at, in words; empty where all is well. Raises TransientError,
    PermanentError.
    """
    fine: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How things stand with a provider, as its settings tell."""

    fine: bool
    told: str


@dataclass(frozen=True, kw_only=True)
class Provider(Generic[Own]):
    """One provider. What is None it does not offer: the caller goes without. What speaks to the
    other side is made with the provider's own settings.
    """

    name: str
    """As its folder; in the webhook's path, in policy and in the names of settings."""
    settings: type[Own]
    hook: Listening | None = None
    own_change: OwnChange | None = None
    sign: Signing | None = None
    """Without it nobody can try whether what is forged is refused."""
    signs_body: bool = True
    """False where its sender sends the secret itself."""
    secret_in_url: bool = False
    """Whether that is the last part of its URL, where many see it: it then has one of its own."""
    logs: Callable[[Own], Logs] | None = None
    expanding: Callable[[Own], Expanding] | None = None
    identifying: Callable[[Own], Identifying] | None = None
    reruns: Callable[[Own], Reruns] | None = None
    forge: Callable[[Own], Forge] | None = None
    credentials: Callable[[Own], Credentials] | None = None
    chat: Callable[[Own], Chat] | None = None
    speaking: Speaking[Own] | None = None
    hosts: Hosts | None = None
    excess: Callable[[Own], list[str]] | None = None
    """What its credential may do beyond what is needed, in words, for the service's start; empty
    where nothing or nobody can tell. Raises TransientError, PermanentError.
    """
    standing: Callable[[Own, Policy], Standing] | None = None
    checks: tuple[Check[Own], ...] = ()
