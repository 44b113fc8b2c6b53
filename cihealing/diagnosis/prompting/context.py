"""What may be shown to a model, as frozen values. Everything in it is of others and hostile until
it is fenced.
"""

from __future__ import annotations

from dataclasses import dataclass

from cihealing.domain.values import Failure


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """Lines of one file, the first of them numbered `first_line`; `why` says what they have to do
    with the failure.
    """

    path: str
    first_line: int
    text: str
    why: str
    encoding: str = ""
    """In words; empty for plain UTF-8."""


@dataclass(frozen=True, kw_only=True)
class ProvenFix:
    """What healed a failure like this one before, in the same repository."""

    summary: str
    patch: str


@dataclass(frozen=True, kw_only=True)
class TriedFix:
    """An attempt that failed: what it proposed, and how that was shown to be wrong."""

    number: int
    proposed_fix: str
    patch: str
    how_it_failed: str
    log_tail: str = ""


@dataclass(frozen=True, kw_only=True)
class Context:
    failure: Failure
    repository: str
    job: str = ""
    command: str = ""
    diff: str = ""
    """What the failing commit changed."""
    snippets: tuple[Snippet, ...] = ()
    notes: str = ""
    """What the repository tells those who contribute."""
    similar: tuple[ProvenFix, ...] = ()
    tried: tuple[TriedFix, ...] = ()
