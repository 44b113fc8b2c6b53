"""A run's state as stored JSON: flat, however it is nested in memory, so that a field may move
from one part to another without a migration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

import msgspec

from cihealing.domain.run.parts import Part
from cihealing.domain.run.state import RunState

PARTS: dict[str, type[Part]] = {
    name: kind
    for name, kind in get_type_hints(RunState).items()
    if isinstance(kind, type) and issubclass(kind, Part)
}
_encoder = msgspec.json.Encoder(order="deterministic")


def to_json(run: RunState) -> str:
    """Deterministic; what has its default is left out."""
    document = msgspec.to_builtins(run)
    parts = [document.pop(name, {}) for name in PARTS]
    for part in parts:
        document |= part
    return _encoder.encode(document).decode()


def from_json(text: str) -> RunState:
    """Raises msgspec.DecodeError for what is no such document."""
    document: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    # Each part takes of the whole what it knows by name.
    return msgspec.convert({**document, **dict.fromkeys(PARTS, document)}, type=RunState)


def flat(run: RunState) -> Iterator[tuple[str, Any]]:
    """(name in documents, value) of everything, defaults too."""
    for name in RunState.__struct_fields__:
        value = getattr(run, name)
        if isinstance(value, Part):
            yield from zip(
                value.__struct_encode_fields__, msgspec.structs.astuple(value), strict=True
            )
        else:
            yield name, value


def flat_hints() -> dict[str, Any]:
    """Name in documents -> type."""
    hints: dict[str, Any] = {}
    for name, kind in get_type_hints(RunState, include_extras=True).items():
        if name in PARTS:
            own = get_type_hints(PARTS[name], include_extras=True)
            fields = zip(
                PARTS[name].__struct_encode_fields__, PARTS[name].__struct_fields__, strict=True
            )
            hints |= {stored: own[field] for stored, field in fields}
        else:
            hints[name] = kind
    return hints
