"""The event store and the artifacts: append-only facts in hash-chained streams, content by SHA-256.

Every call runs on the caller's connection; those that write expect the caller's transaction.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

import msgspec
from django.db import IntegrityError, connection

from cihealing.domain.events import ArtifactPurged, Envelope, tag_of
from cihealing.domain.values import NAMESPACE, Actor, Digest, digest_of
from cihealing.models import Artifact, StoredEvent
from cihealing.secrecy import masked_in

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
    last = (
        StoredEvent.objects.filter(stream=stream)
        .order_by("-version")
        .values_list("version", "hash")
        .first()
    )
    version, previous = last or (0, GENESIS)
    if version != expected_version:
        raise StreamMoved(f"{stream}: at {version}, expected {expected_version}")
    rows = list(_chain(stream, envelopes, version, previous))
    try:
        StoredEvent.objects.bulk_create(rows)
    except IntegrityError as error:
        raise StreamMoved(str(stream)) from error


def _chain(
    stream: UUID, envelopes: Sequence[Envelope], version: int, previous: str
) -> Iterator[StoredEvent]:
    for number, envelope in enumerate(envelopes, start=version + 1):
        # Callers mask what they are told; this is the last gate, and what is written here stays for
        # ever.
        tag, data = tag_of(envelope.event), encode(masked_in(envelope))
        own = link(stream, number, tag, data, previous)
        yield StoredEvent(
            stream=stream,
            version=number,
            tag=tag,
            data=data,
            previous=previous,
            hash=own,
            at=envelope.at,
            run_id=envelope.run_id,
        )
        previous = own


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


@dataclass(frozen=True, kw_only=True)
class Packed:
    """Content as it is stored. Packing a large one takes a while: it is done before the transaction
    that stores it.
    """

    digest: Digest
    size: int
    content: bytes = field(repr=False)
    """zlib-compressed."""


def pack(content: bytes | str) -> Packed:
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return Packed(digest=digest_of(raw), size=len(raw), content=zlib.compress(raw))


def put(content: bytes | str | Packed, *, kind: str, now: datetime) -> Digest:
    """Store content once, without the secrets that are known; a purged artifact stays purged.
    Returns the digest of what is stored.

    What is packed was masked by whoever packed it.
    """
    packed = content if isinstance(content, Packed) else pack(masked_in(content))
    row = Artifact(
        digest=packed.digest, kind=kind, size=packed.size, content=packed.content, created_at=now
    )
    Artifact.objects.bulk_create([row], ignore_conflicts=True)
    return packed.digest


def artifact_bytes(digest: Digest) -> bytes | None:
    """The content; None where it was purged or never stored. Raises ValueError where it is not what
    was hashed.
    """
    packed = Artifact.objects.filter(digest=digest).values_list("content", flat=True).first()
    if packed is None:
        return None
    raw = zlib.decompress(bytes(packed))
    if digest_of(raw) != digest:
        raise ValueError(f"artifact {digest} is not what was stored")
    return raw


def damaged_artifacts() -> Iterator[Digest]:
    """Artifacts whose content is not what their digest says."""
    for digest in (
        Artifact.objects.filter(content__isnull=False)
        .order_by("digest")
        .values_list("digest", flat=True)
        .iterator(chunk_size=500)
    ):
        try:
            artifact_bytes(digest)
        except (ValueError, zlib.error):
            yield digest


def artifact_stream(digest: Digest) -> UUID:
    return uuid5(NAMESPACE, f"artifact\n{digest}")


def purge(digest: Digest, *, reason: str, actor: Actor, now: datetime) -> bool:
    """Forget the content, keep that it was. False where there was none. The chain of no stream
    changes.
    """
    row = Artifact.objects.select_for_update().filter(digest=digest, content__isnull=False).first()
    if row is None:
        return False
    fact = Envelope(
        event=ArtifactPurged(digest=digest, size=row.size, reason=reason),
        at=now,
        actor=actor,
        source="purge",
    )
    stream = artifact_stream(digest)
    append(stream, [fact], expected_version=StoredEvent.objects.filter(stream=stream).count())
    row.content, row.purged_at = None, now
    row.save(update_fields=["content", "purged_at"])
    return True


def is_postgresql() -> bool:
    return connection.vendor == "postgresql"
