"""What happened, and the contents that facts name."""

from __future__ import annotations

from django.db import models


class StoredEvent(models.Model):
    """One fact. Never updated, deleted or truncated: database triggers refuse it (migration
    0002).
    """

    id = models.BigAutoField(primary_key=True)
    stream = models.UUIDField()
    version = models.PositiveIntegerField()
    tag = models.CharField(max_length=80)
    data = models.TextField()
    """The exact encoded envelope, as hashed."""
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    at = models.DateTimeField()
    run_id = models.UUIDField(null=True)
    tx = models.BigIntegerField(null=True)
    """PostgreSQL: the writing transaction, so that a reader can stop below the oldest open one.
    SQLite: null (one writer).
    """

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "version"], name="event_stream_version")
        ]
        indexes = [models.Index(fields=["tx", "id"], name="event_tx_id")]

    def __str__(self) -> str:
        return f"{self.stream}#{self.version} {self.tag}"


class Artifact(models.Model):
    """Content by SHA-256. Purging empties `content` and is itself an event; the row stays, so that
    hashes can be explained.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=40)
    size = models.PositiveBigIntegerField()
    content = models.BinaryField(null=True)
    """zlib-compressed."""
    created_at = models.DateTimeField()
    purged_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:12]}"
