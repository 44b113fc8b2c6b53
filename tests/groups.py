"""Groups of settings as an environment would have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from cihealing.settings import PREFIX, Group, Settings, groups

Kind = TypeVar("Kind", bound=Group)


def holding(kind: type[Kind], variables: Mapping[str, str] | None = None) -> Kind:
    """The group where these variables are set, and no others. What another group has is ignored, as
    in the environment.
    """
    return kind(**_fields(kind, variables or {}))


def changed(settings: Settings, variables: Mapping[str, str]) -> Settings:
    """The same where these variables are set; empty ones are not set any more."""
    parts: dict[str, Any] = {name: _again(getattr(settings, name), variables) for name in groups()}
    parts["providers"] = {
        name: _again(group, variables) for name, group in settings.providers.items()
    }
    return settings.model_copy(update=parts)


def _again(group: Group, variables: Mapping[str, str]) -> Group:
    kind = type(group)
    kept = {name: getattr(group, name) for name in group.model_fields_set}
    gone = {_field(name) for name, text in variables.items() if not text}
    kept = {name: value for name, value in kept.items() if name not in gone}
    return kind(**{**kept, **_fields(kind, variables)})


def _fields(kind: type[Group], variables: Mapping[str, str]) -> dict[str, str]:
    named = {_field(name): text for name, text in variables.items() if text}
    return {name: text for name, text in named.items() if name in kind.model_fields}


def _field(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower()
