"""How a check of `cihealing doctor` says what it found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`state` is `ok`, `note` (works, but look) or `bad`; `told` says what to do where there is
    something to do.
    """

    subject: str
    state: str
    told: str


def ok(subject: str, told: str) -> Finding:
    return Finding(subject=subject, state="ok", told=told)


def note(subject: str, told: str) -> Finding:
    return Finding(subject=subject, state="note", told=told)


def bad(subject: str, told: str) -> Finding:
    return Finding(subject=subject, state="bad", told=told)
