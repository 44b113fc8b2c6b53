"""Numbers and words that the database keeps beside the rows they follow from."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class RunWords(models.Model):
    """What of a run is searched for words, a line each. Triggers on the run's table write it
    (migration 0007); an index over trigrams of it is made where the database has them
    (`store.words`).
    """

    run_id = models.UUIDField(unique=True)
    words = models.TextField()

    def __str__(self) -> str:
        return f"words of {self.run_id}"


class Counter(models.Model):
    """A number kept instead of counted. Triggers append a row for each change (migration 0007), so
    that writers never wait for one another; `store.counters` folds them now and then into one. A
    number is the sum over its rows, at any time.
    """

    folded = models.BooleanField(default=False)

    class Meta:
        abstract = True


class RunCount(Counter):
    """How many runs of a repository are of one kind; attached ones are not counted."""

    repository = models.CharField(max_length=300)
    status = models.CharField(max_length=20)
    failure_class = models.CharField(max_length=20)
    resolution = models.CharField(max_length=40)
    runs = models.BigIntegerField()
    attempts = models.BigIntegerField()
    proven = models.BigIntegerField()
    accepted = models.BigIntegerField()
    """Fixes of models that people merged."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["repository", "status", "failure_class", "resolution"],
                condition=Q(folded=True),
                name="run_count_once",
            )
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(folded=False), name="run_count_unfolded")
        ]

    def __str__(self) -> str:
        return f"{self.runs} {self.status} of {self.repository}"


class Tally(Counter):
    """Other numbers: `usd` and `calls` of models by repository, `usd_day` by day too, `deliveries`
    in all. Money in billionths of a dollar, so that sums are exact.
    """

    what = models.CharField(max_length=20)
    repository = models.CharField(max_length=300)
    day = models.CharField(max_length=10)
    """ISO date, UTC; empty where it is over all days."""
    number = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["what", "day", "repository"], condition=Q(folded=True), name="tally_once"
            )
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(folded=False), name="tally_unfolded"),
            models.Index(fields=["what", "day"], name="tally_day"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.what}"
