"""What CI sent, as derived from events."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Delivery(models.Model):
    """One authenticated request on a hook."""

    id = models.UUIDField(primary_key=True)
    hook = models.CharField(max_length=100)
    key = models.CharField(max_length=200)
    """The provider's delivery id, else the SHA-256 of the body."""
    provider = models.CharField(max_length=40)
    received_at = models.DateTimeField()
    version = models.PositiveIntegerField()
    status = models.CharField(max_length=20)
    """`reading` or `done`."""
    outcomes = models.TextField()
    """JSON list, one entry a result: `{runId,status,deduplicated,ignored}`."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hook", "key"], name="delivery_once_per_hook")
        ]
        indexes = [
            models.Index(
                fields=["received_at"], condition=Q(status="reading"), name="delivery_reading"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.key}"


class WaitingLog(models.Model):
    """A large log that came in a body and was not read yet: sealed (`service.waiting`), gone once
    it is read.
    """

    delivery = models.UUIDField()
    position = models.PositiveIntegerField()
    """Whose log it is: a result of the delivery."""
    size = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    content = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["delivery", "position"], name="waiting_log_once")
        ]

    def __str__(self) -> str:
        return f"log {self.position} of {self.delivery}"


class Execution(models.Model):
    """One CI job run and its result, red or green."""

    provider = models.CharField(max_length=40)
    host = models.CharField(max_length=255)
    job_run_id = models.CharField(max_length=200)
    attempt = models.PositiveIntegerField()
    outcome = models.CharField(max_length=10)
    """`failed` or `passed`."""
    repository = models.CharField(max_length=300)
    branch = models.CharField(max_length=300)
    commit = models.CharField(max_length=64)
    job = models.CharField(max_length=300)
    pipeline_url = models.CharField(max_length=2000)
    fork = models.BooleanField(default=False)
    """Whether it is of another repository's code, as far as that was told."""
    definition = models.CharField(max_length=300, default="")
    parent_id = models.CharField(max_length=200)
    parent_attempt = models.PositiveIntegerField(default=0)
    coarse = models.BooleanField()
    at = models.DateTimeField()
    """When it finished, where the payload says so; else when it was received."""
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="executions")
    position = models.PositiveIntegerField()
    """Which result of the delivery it is."""
    run_id = models.UUIDField(null=True, db_index=True)
    log = models.CharField(max_length=64)
    """Artifact of the redacted log, or empty."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "host", "job_run_id", "attempt"], name="execution_once"
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=["failed", "passed"]), name="execution_outcome"
            ),
        ]
        indexes = [
            models.Index(
                fields=["repository", "job", "branch", "outcome", "at"], name="execution_job"
            ),
            models.Index(fields=["provider", "parent_id"], name="execution_parent"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.job} {self.job_run_id}"
