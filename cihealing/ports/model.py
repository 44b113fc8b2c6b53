"""A language model is asked one question and gives one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol

from pydantic import SecretStr

from cihealing.settings import Own


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One question to one model. `timeout` in seconds over the whole call; the answer is JSON of
    the schema `prompting.answer.Answer`.
    """

    provider: str
    """One of the model's names, or `offline`."""
    model: str
    system: str
    prompt: str
    max_output_tokens: int = 8_000
    timeout: float = 180.0


@dataclass(frozen=True, kw_only=True)
class ModelReply:
    """What came back and was paid for, of use or not. Tokens as the provider counted them, 0 where
    it did not say.
    """

    outcome: str
    """`answered`, `malformed` (not JSON of the schema), `truncated` (partial) or `refused` (by the
    model or its filter).
    """
    text: str
    """The answer's JSON as sent by the model; of another outcome whatever came."""
    model: str
    """As the provider named it."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    problem: str = ""
    """For the other outcomes: what is wrong with it, for people and for the next attempt."""


class Model(Protocol):
    """A language model behind a provider: asked in a subprocess that holds its own key and nothing
    else.
    """

    none_configured: str
    """What to set where nothing is."""

    def names(self) -> tuple[str, ...]:
        """The providers there are, in the order they are asked where nobody names one."""

    def ask(self, request: ModelRequest) -> ModelReply:
        """Raises ModelFailed, Cancelled."""

    def configured(self, provider: str) -> str:
        """What is missing for this provider (the setting to set), empty where it can be asked."""

    def default_model(self, provider: str) -> str:
        """From `<PROVIDER>_DEFAULT_MODEL`; empty where none is set and none is usual."""

    def price(
        self,
        provider: str,
        model: str,
        *,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
    ) -> float | None:
        """USD; None where nobody knows the price (a local model costs what policy says)."""


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A service that answers in a provider's protocol, by the name policy knows it by, as its
    settings have it.
    """

    name: str
    key: SecretStr
    base_url: str
    """Empty: the provider's SDK knows it."""
    default_model: str
    needs_key: bool = True
    """False for a server of one's own."""


@dataclass(frozen=True, kw_only=True)
class Speaking(Generic[Own]):
    """A protocol that models are asked in. `ask` runs in a subprocess that holds one key."""

    ask: Callable[..., ModelReply]
    serves: Callable[[Own], tuple[ServedModel, ...]]
