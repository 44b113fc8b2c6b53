"""What waits to be done, and what time it is."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Outbox(models.Model):
    """Work an event calls for: one row an effect, claimed under a lease. The broker is a hint, this
    is the truth.
    """

    id = models.UUIDField(primary_key=True)
    """Name-based on (stream, version, name, ordinal): the same event never asks twice."""
    stream = models.UUIDField(db_index=True)
    version = models.PositiveIntegerField()
    ordinal = models.PositiveIntegerField()
    name = models.CharField(max_length=60)
    payload = models.TextField()
    run_id = models.UUIDField(null=True)
    not_before = models.DateTimeField()
    created_at = models.DateTimeField()
    state = models.CharField(max_length=10)
    """`pending`, `done`, `dropped` or `gave_up`."""
    claims = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    poked_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=1000, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "version", "name", "ordinal"], name="effect_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "done", "dropped", "gave_up"]),
                name="outbox_state",
            ),
        ]
        indexes = [
            models.Index(fields=["not_before"], condition=Q(state="pending"), name="outbox_due"),
            # What belongs to runs that have begun: few, and asked for before all that wait.
            models.Index(
                fields=["not_before"],
                condition=Q(state="pending", version__gt=1),
                name="outbox_begun",
            ),
            models.Index(
                fields=["not_before"], condition=Q(state="gave_up"), name="outbox_gave_up"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} for {self.stream}"


class Clock(models.Model):
    """What time it was last, by the database and by the machine of whoever looked; one row."""

    seen = models.DateTimeField()
    boot = models.CharField(max_length=40)
    """Which start of which machine `uptime` counts from; empty where that cannot be told."""
    uptime = models.FloatField()
    moved = models.FloatField()
    """Seconds by which everything that waits was moved, in all: after jumps of the database's
    clock.
    """

    def __str__(self) -> str:
        return f"{self.seen:%Y-%m-%d %H:%M:%S}"
