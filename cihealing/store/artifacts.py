"""Artifacts: content by SHA-256. What is purged stays as a digest and a fact.

Every call runs on the caller's connection; those that write expect the caller's transaction.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from cihealing.domain.events import ArtifactPurged, Envelope
from cihealing.domain.values import NAMESPACE, Actor, Digest, digest_of
from cihealing.models import Artifact, StoredEvent
from cihealing.secrecy import masked_in
from cihealing.store import rows
from cihealing.store.events import append


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
    put_all([(packed, kind)], now=now)
    return packed.digest


def put_all(contents: Sequence[tuple[Packed, str]], *, now: datetime) -> None:
    """Store each (content, kind) once, by one statement."""
    found = [
        Artifact(digest=one.digest, kind=kind, size=one.size, content=one.content, created_at=now)
        for one, kind in contents
    ]
    rows.insert(found, skip_known=True)


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
