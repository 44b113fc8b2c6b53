"""Everything one provider offers, as one value that its folder exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cihealing.domain.policy import Policy
from cihealing.ports.chat import Chat
from cihealing.ports.forge import Forge
from cihealing.ports.inbound import Listening, OwnChange, Signing
from cihealing.ports.jobs import Expanding, Logs, Reruns
from cihealing.ports.model import Speaking
from cihealing.ports.trees import Credentials


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Where a provider's API is, and where its answers may lead to."""

    setting: str
    """The setting that holds its base URLs."""
    default: str = ""
    """What holds where the setting is empty."""
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


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question to the other side for `cihealing doctor --online`."""

    subject: str
    excuse: Callable[[Mapping[str, str]], str]
    """Why nothing is asked; empty where it is."""
    question: Callable[[Mapping[str, str]], list[str]]
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
class Provider:
    """One provider. What is None it does not offer: the caller goes without."""

    name: str
    """As its folder; in the webhook's path, in policy and in the names of settings."""
    hook: Listening | None = None
    own_change: OwnChange | None = None
    sign: Signing | None = None
    """Without it nobody can try whether what is forged is refused."""
    signs_body: bool = True
    """False where its sender sends the secret itself."""
    secret_in_url: bool = False
    """Whether that is the last part of its URL, where many see it: it then has one of its own."""
    logs: Logs | None = None
    expanding: Expanding | None = None
    reruns: Reruns | None = None
    forge: Forge | None = None
    credentials: Credentials | None = None
    chat: Chat | None = None
    speaking: Speaking | None = None
    hosts: Hosts | None = None
    excess: Callable[[Mapping[str, str]], list[str]] | None = None
    """What its credential may do beyond what is needed, in words, for the service's start; empty
    where nothing or nobody can tell. Raises TransientError, PermanentError.
    """
    standing: Callable[[Mapping[str, str], Policy], Standing] | None = None
    checks: tuple[Check, ...] = ()
