"""The healing of failures, as derived from events."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


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
    seconds_to_proof = models.FloatField(null=True)
    """From its beginning to the proof of its first generation, where it came to one."""
    change_commit = models.CharField(max_length=64, default="")
    """The commit of the open change: builds of it are its own."""
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
                fields=["repository", "change_commit"],
                condition=~Q(pr_url=""),
                name="run_own_commit",
            ),
            models.Index(
                fields=["attached_to"], condition=Q(attached_to__isnull=False), name="run_attached"
            ),
            # What begins with some characters is found by `pattern_ops` alone, whatever the
            # database's collation.
            models.Index(fields=["commit"], opclasses=["varchar_pattern_ops"], name="run_commit"),
            models.Index(
                fields=["error_hash", "created_at", "id", "status", "resolution"],
                opclasses=[
                    "varchar_pattern_ops",
                    "timestamptz_ops",
                    "uuid_ops",
                    "varchar_ops",
                    "varchar_ops",
                ],
                condition=Q(attached_to__isnull=True),
                name="run_family",
            ),
            models.Index(
                fields=["-created_at", "seconds_to_proof"],
                condition=Q(attached_to__isnull=True, seconds_to_proof__isnull=False),
                name="run_proof",
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
