"""The event store: append-only facts in hash-chained streams.

Every call runs on the caller's connection; those that write expect the caller's transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from cihealing.domain.events import Envelope, tag_of
from cihealing.models import StoredEvent
from cihealing.secrecy import masked_in
from cihealing.store import rows

GENESIS = "0" * 64
_decoder = msgspec.json.Decoder(Envelope)
_encoder = msgspec.json.Encoder(order="deterministic")

UPCASTERS: Mapping[str, Callable[[bytes], bytes]] = {}
"""Old tag -> how its stored text becomes that of the tag's newer version."""


class StreamMoved(Exception):
    """Another writer was faster: load again, decide again."""


class UnknownEvent(Exception):
    """A newer release wrote this; this one hands the work back."""


def load(stream: UUID, *, after: int = 0) -> list[Envelope]:
    """The facts of a stream in order, versions above `after`. Raises UnknownEvent."""
    rows = (
        StoredEvent.objects.filter(stream=stream, version__gt=after)
        .order_by("version")
        .values_list("tag", "data")
    )
    return [decode(tag, data) for tag, data in rows]


def decode(tag: str, data: str) -> Envelope:
    upcast = UPCASTERS.get(tag)
    text = upcast(data.encode()) if upcast else data.encode()
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise UnknownEvent(f"{tag}: {error}") from error


def encode(envelope: Envelope) -> str:
    return _encoder.encode(envelope).decode()


def append(stream: UUID, envelopes: Sequence[Envelope], *, expected_version: int) -> None:
    """Write the facts as versions `expected_version` + 1 and on. Raises StreamMoved where the
    stream is elsewhere.
    """
    previous = GENESIS
    if expected_version:
        last = (
            StoredEvent.objects.filter(stream=stream)
            .order_by("-version")
            .values_list("version", "hash")
            .first()
        )
        version, previous = last or (0, GENESIS)
        if version != expected_version:
            raise StreamMoved(f"{stream}: at {version}, expected {expected_version}")
    add(chained(stream, masked(envelopes), version=expected_version, previous=previous))


def masked(envelopes: Sequence[Envelope]) -> list[Envelope]:
    """Callers mask what they are told; this is the last gate, and what is written stays for
    ever.
    """
    return [masked_in(envelope) for envelope in envelopes]


def chained(
    stream: UUID, envelopes: Sequence[Envelope], *, version: int = 0, previous: str = GENESIS
) -> list[StoredEvent]:
    """Masked facts as the rows that follow `version` of the stream, whose hash is `previous`."""
    found = []
    for number, envelope in enumerate(envelopes, start=version + 1):
        tag, data = tag_of(envelope.event), encode(envelope)
        own = link(stream, number, tag, data, previous)
        found.append(
            StoredEvent(
                stream=stream,
                version=number,
                tag=tag,
                data=data,
                previous=previous,
                hash=own,
                at=envelope.at,
                run_id=envelope.run_id,
            )
        )
        previous = own
    return found


def add(facts: Sequence[StoredEvent]) -> None:
    """Write rows of `chained`, of any number of streams. Raises StreamMoved where another writer
    has one of their places; the transaction must end with it, but may read what that one wrote.
    """
    if rows.insert(facts, skip_known=True) < len(facts):
        raise StreamMoved(str(facts[0].stream))


def link(stream: UUID, version: int, tag: str, data: str, previous: str) -> str:
    """The hash that chains a fact to the one before it."""
    return hashlib.sha256(f"{previous}\n{stream}\n{version}\n{tag}\n{data}".encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One place where the record is not what was written."""

    stream: UUID
    version: int
    problem: str


def verify(stream: UUID | None = None) -> Iterator[Fault]:
    """Every fault of one stream, or of all: gaps, edited text, broken links, columns that do not
    say what the text says.
    """
    rows = StoredEvent.objects.order_by("stream", "version")
    if stream:
        rows = rows.filter(stream=stream)
    current, version, previous = None, 0, GENESIS
    for row in rows.iterator(chunk_size=1000):
        if row.stream != current:
            current, version, previous = row.stream, 0, GENESIS
        yield from _faults(row, version, previous)
        version, previous = row.version, row.hash


def _faults(row: StoredEvent, version: int, previous: str) -> Iterator[Fault]:
    if row.version != version + 1:
        yield Fault(stream=row.stream, version=row.version, problem=f"follows version {version}")
    if row.previous != previous:
        yield Fault(
            stream=row.stream, version=row.version, problem="is not linked to the fact before it"
        )
    if row.hash != link(row.stream, row.version, row.tag, row.data, row.previous):
        yield Fault(
            stream=row.stream, version=row.version, problem="its text is not what was hashed"
        )
        return
    envelope = decode(row.tag, row.data)
    if (envelope.at, envelope.run_id) != (row.at, row.run_id):
        yield Fault(
            stream=row.stream,
            version=row.version,
            problem="its columns do not say what its text says",
        )
