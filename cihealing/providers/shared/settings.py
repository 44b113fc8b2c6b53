"""Asking settings by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def unset(*names: str, say: str) -> Callable[[Mapping[str, str]], str]:
    """What to say where one of these is not set; says nothing where all are."""
    return lambda settings: "" if all(settings.get(name) for name in names) else say
