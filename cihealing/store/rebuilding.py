"""Every derived row afresh from the events."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from cihealing import store
from cihealing.domain.evolve import fold
from cihealing.models import (
    Attempt,
    BaseClaim,
    ChatMessage,
    ClusterClaim,
    Delivery,
    Execution,
    IgnoredFingerprint,
    Run,
    Spend,
    StoredEvent,
)
from cihealing.store import counters, small
from cihealing.store.projections import pinned_policy, project_delivery, project_run


@transaction.atomic
def rebuild() -> dict[str, int]:
    """Write every derived row afresh from the events; the outbox is not touched. Returns how many
    streams of each kind.
    """
    for model in (
        BaseClaim,
        ClusterClaim,
        Attempt,
        Run,
        Execution,
        Delivery,
        IgnoredFingerprint,
        Spend,
        ChatMessage,
    ):
        model._default_manager.all().delete()
    counts = {"deliveries": 0, "runs": 0, "fingerprints": 0}
    for stream, tag in _streams():
        envelopes = store.load(stream)
        if tag.startswith("run."):
            state = fold(stream, envelopes)
            project_run(state, max_attempts=pinned_policy(state.policy).max_attempts)
            counts["runs"] += 1
        elif tag.startswith("delivery."):
            project_delivery(stream, envelopes)
            counts["deliveries"] += 1
        elif tag.startswith(small.TAGS):
            for envelope in envelopes:
                small.project_small(stream, envelope)
            counts["fingerprints"] += tag.startswith("fingerprint.")
    counters.mend()
    counters.fold_all()
    return counts


def _streams() -> list[tuple[UUID, str]]:
    """Every stream with the tag of its first fact, in the order they began (the first to tell of an
    execution owns its row).
    """
    firsts = StoredEvent.objects.filter(version=1).order_by("at", "id")
    return list(firsts.values_list("stream", "tag"))
