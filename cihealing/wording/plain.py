"""Values as the JSON that people and programs read: camelCase, times as RFC 3339, ids as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

AS_THEY_ARE = (str, int, float, bool, type(None))
"""Most of what there is, told apart before all else."""


def plain(value: Any) -> Any:
    """Dataclasses and structs as camelCase objects; keys of mappings are data and stay."""
    if type(value) in AS_THEY_ARE:
        return value
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case UUID():
            return str(value)
        case Enum():
            return value.value
        case tuple() | list():
            return [plain(item) for item in value]
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case msgspec.Struct():
            return {camel(name): plain(getattr(value, name)) for name in value.__struct_fields__}
        case _ if is_dataclass(value):
            return {camel(f.name): plain(getattr(value, f.name)) for f in fields(value)}
        case _:
            return value


def recased(value: Any) -> Any:
    """Stored JSON of the service's own shapes, its snake_case keys as camelCase."""
    if isinstance(value, Mapping):
        return {camel(str(key)): recased(item) for key, item in value.items()}
    return [recased(item) for item in value] if isinstance(value, list | tuple) else plain(value)


@lru_cache(maxsize=2_000)
def camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda m: m.group(1).upper(), name)
