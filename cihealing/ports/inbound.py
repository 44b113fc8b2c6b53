"""What comes in from a CI: is it authentic, and what does it say?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cihealing.domain.values import Result


@dataclass(frozen=True, kw_only=True)
class RawRequest:
    """One inbound request before anything is parsed. Header names are lower-case; values may hold
    any character.
    """

    headers: Mapping[str, str]
    body: bytes
    path_token: str = ""
    received_at: datetime


class Verifying(Protocol):
    """Whether a request is authentic, over the raw bytes, as its sender really signs."""

    def verify(self, request: RawRequest, secrets: Sequence[str]) -> str:
        """The delivery id of an authentic request (the provider's own, else SHA-256 of the body).

        Any of `secrets` may have signed it (rotation). No secret, or an empty one, never verifies.
        Raises BadSignature.
        """


class Parsing(Protocol):
    """What an authentic request says of jobs; Ignored for what is no result."""

    def parse(self, request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
        """Results in the order of the payload. Raises BadPayload."""


class Listening(Verifying, Parsing, Protocol):
    """Both halves of a webhook."""


class OwnChange(Protocol):
    """Whether a payload tells of a change of the service's own."""

    def __call__(self, payload: Mapping[str, Any], /) -> tuple[str, str] | None:
        """(repository, branch); None where it tells of anything else."""


class Signing(Protocol):
    """A request as its sender would sign it, for `doctor` and the contract tests."""

    def __call__(self, secret: str, body: bytes, /) -> RawRequest: ...
