"""The policy in force, and the one a run pins."""

from __future__ import annotations

from datetime import datetime

from cihealing import policy_file, store
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Digest
from cihealing.store import projections


def current() -> Policy:
    return policy_file.current()[0]


def pin(policy: Policy, *, now: datetime) -> Digest:
    """Store the policy as the artifact that runs name."""
    return store.put(policy.canonical(), kind="policy", now=now)


def of(run: RunState) -> Policy:
    """What binds this run: its pinned policy, and the tighter of both where the current one is
    tighter.
    """
    now = current()
    return projections.pinned_policy(run.policy).tighter(now) if run.policy else now
