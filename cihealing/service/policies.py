"""The policy in force, and the one a run pins."""

from __future__ import annotations

from datetime import datetime

from cihealing import policy_file, secrecy, store
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Digest
from cihealing.store import Packed, projections

_latest: list[tuple[Policy, tuple[str, ...], Packed]] = []
"""The policy that was packed last, the secrets that were known then, and what came of it."""


def current() -> Policy:
    return policy_file.current()[0]


def pin(policy: Policy, *, now: datetime) -> Digest:
    """Store the policy as the artifact that runs name."""
    return store.put(packed(policy), kind="policy", now=now)


def packed(policy: Policy) -> Packed:
    """That artifact; made once for all runs that begin under one policy."""
    values = secrecy.known()
    for before, known, found in tuple(_latest):
        if before is policy and known is values:
            return found
    made = store.pack(secrecy.masked_in(policy.canonical()))
    _latest[:] = [(policy, values, made)]
    return made


def of(run: RunState) -> Policy:
    """What binds this run: its pinned policy, and the tighter of both where the current one is
    tighter.
    """
    now = current()
    return projections.pinned_policy(run.policy).tighter(now) if run.policy else now
