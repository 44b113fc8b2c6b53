"""How a check of `cihealing doctor` says what it found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Advice:
    """`state` is `ok`, `note` (works, but look) or `bad`; `told` says what to do where there is
    something to do.
    """

    subject: str
    state: str
    told: str


def ok(subject: str, told: str) -> Advice:
    return Advice(subject=subject, state="ok", told=told)


def note(subject: str, told: str) -> Advice:
    return Advice(subject=subject, state="note", told=told)


def bad(subject: str, told: str) -> Advice:
    return Advice(subject=subject, state="bad", told=told)
