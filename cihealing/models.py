"""Tables: the events, what waits to be done, artifacts, and the rows derived from events.

Only `store`, `projections` and `service` write here; only `queries` reads for people. Constraints
live in the database.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


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
    parent_id = models.CharField(max_length=200)
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


class Run(models.Model):
    """The healing of one failure, as folded from its stream. `rebuild` writes the same rows
    again.
    """

    id = models.UUIDField(primary_key=True)
    version = models.PositiveIntegerField()
    generation = models.PositiveIntegerField()
    provider = models.CharField(max_length=40)
    repository = models.CharField(max_length=300)
    branch = models.CharField(max_length=300)
    commit = models.CharField(max_length=64)
    job = models.CharField(max_length=300)
    pipeline_url = models.CharField(max_length=2000)
    error_hash = models.CharField(max_length=80)
    error_type = models.CharField(max_length=200)
    error_summary = models.CharField(max_length=400)
    status = models.CharField(max_length=20)
    stage = models.CharField(max_length=20)
    failure_class = models.CharField(max_length=20)
    confidence = models.FloatField()
    blame = models.CharField(max_length=20)
    owner = models.CharField(max_length=300)
    evidence = models.CharField(max_length=20)
    attempt_count = models.PositiveIntegerField()
    max_attempts = models.PositiveIntegerField()
    pr_url = models.CharField(max_length=2000)
    escalation_reason = models.CharField(max_length=1000)
    resolution = models.CharField(max_length=40)
    attached_to = models.UUIDField(null=True)
    cluster_leader = models.UUIDField(null=True, db_index=True)
    """The run that stands for this failure of the machines, where that is another one."""
    cost_usd = models.FloatField(default=0)
    """Of its calls to models."""
    patch_hash = models.CharField(max_length=64)
    report = models.CharField(max_length=64)
    awaiting_rerun = models.BooleanField()
    reruns = models.PositiveIntegerField()
    """Asked for in this generation; `max_auto_reruns` counts over all runs of the commit's job."""
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    state = models.TextField()
    """The folded state as JSON: what pages show and no column holds."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["repository", "commit", "error_hash"], name="run_once"),
            models.CheckConstraint(
                condition=Q(
                    status__in=["queued", "running", "fixed", "escalated", "resolved", "aborted"]
                ),
                name="run_status",
            ),
            models.CheckConstraint(
                condition=Q(confidence__gte=0, confidence__lte=1), name="run_confidence"
            ),
        ]
        indexes = [
            models.Index(F("created_at").desc(), F("id").desc(), name="run_newest"),
            models.Index(fields=["status", "-created_at", "-id"], name="run_status_newest"),
            models.Index(fields=["repository", "-created_at", "-id"], name="run_repository_newest"),
            models.Index(fields=["repository", "branch", "error_hash"], name="run_same_on_branch"),
            models.Index(fields=["repository", "job", "branch"], name="run_job_branch"),
            models.Index(fields=["pr_url"], condition=~Q(pr_url=""), name="run_change"),
            models.Index(
                fields=["attached_to"], condition=Q(attached_to__isnull=False), name="run_attached"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.repository} {self.job} {self.status}"


class Attempt(models.Model):
    """One numbered try with a fix."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="attempts")
    generation = models.PositiveIntegerField()
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=20)
    body = models.TextField()
    """The attempt as folded, as JSON (`domain.run.Attempt`)."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "generation", "number"], name="attempt_number"),
            models.CheckConstraint(
                condition=Q(status__in=["running", "failed", "succeeded"]), name="attempt_status"
            ),
        ]
        ordering = ["generation", "number"]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.run_id}"


class BaseClaim(models.Model):
    """Who stands for a failure of a base branch while it is open: the first claimant; the others
    attach to it.
    """

    repository = models.CharField(max_length=300)
    branch = models.CharField(max_length=300)
    error_hash = models.CharField(max_length=80)
    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="base_claim")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["repository", "branch", "error_hash"], name="base_claim_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.repository}@{self.branch}"


class ClusterClaim(models.Model):
    """Who stands for a failure of the machines or the environment, over all repositories; one a
    strong fingerprint.
    """

    error_hash = models.CharField(max_length=80)
    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="cluster_claim")
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["error_hash"], name="cluster_claim_once")]

    def __str__(self) -> str:
        return self.error_hash


class Spend(models.Model):
    """Money set aside for one call to a model, and what the call cost in the end."""

    id = models.UUIDField(primary_key=True)
    run_id = models.UUIDField(db_index=True)
    repository = models.CharField(max_length=300)
    branch = models.CharField(max_length=300)
    error_hash = models.CharField(max_length=80)
    number = models.PositiveIntegerField()
    """The attempt it was for; 0: an explanation."""
    provider = models.CharField(max_length=40)
    model = models.CharField(max_length=200)
    day = models.CharField(max_length=10)
    """ISO date, UTC."""
    reserved_usd = models.FloatField()
    usd = models.FloatField()
    """What it counts as now: all that was reserved until it is settled."""
    settled = models.CharField(max_length=20)
    """How; empty while it is open."""
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["day", "repository"], name="spend_day"),
            models.Index(
                fields=["repository", "branch", "error_hash", "day"], name="spend_failure"
            ),
            models.Index(fields=["at"], condition=Q(settled=""), name="spend_open"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.usd:.4f}"


class ChatMessage(models.Model):
    """What people were told of a run last, and how to change it."""

    run_id = models.UUIDField()
    chat = models.CharField(max_length=40)
    kind = models.CharField(max_length=20)
    handle = models.CharField(max_length=200)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run_id", "chat"], name="message_once")]

    def __str__(self) -> str:
        return f"{self.chat} {self.run_id}"


class IgnoredFingerprint(models.Model):
    """A known failure that a person silenced."""

    error_hash = models.CharField(max_length=80, primary_key=True)
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=150)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.error_hash


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
            models.Index(fields=["not_before"], condition=Q(state="pending"), name="outbox_due")
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
