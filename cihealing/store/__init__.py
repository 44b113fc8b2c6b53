"""The event store and the artifacts, and the rows that are derived from them."""

from django.db import connection

from cihealing.store.artifacts import (
    Packed,
    artifact_bytes,
    artifact_stream,
    damaged_artifacts,
    pack,
    purge,
    put,
    put_all,
)
from cihealing.store.events import (
    GENESIS,
    UPCASTERS,
    Fault,
    StreamMoved,
    UnknownEvent,
    add,
    append,
    chained,
    decode,
    encode,
    link,
    load,
    masked,
    verify,
)

__all__ = [
    "GENESIS",
    "UPCASTERS",
    "Fault",
    "Packed",
    "StreamMoved",
    "UnknownEvent",
    "add",
    "append",
    "artifact_bytes",
    "artifact_stream",
    "chained",
    "damaged_artifacts",
    "decode",
    "encode",
    "is_postgresql",
    "link",
    "load",
    "masked",
    "pack",
    "purge",
    "put",
    "put_all",
    "verify",
]


def is_postgresql() -> bool:
    return connection.vendor == "postgresql"
