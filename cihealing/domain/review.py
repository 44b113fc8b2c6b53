"""What a person may do with a run now. The core refuses the rest; pages, API and chat ask here."""

from __future__ import annotations

from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import RunStatus

ACTIONS = ("approve", "deny", "abort", "human-fix", "retry")
ACTS = ("publish", "merge")
"""What an approval can be for: opening a change, or merging."""


def actions(run: RunState) -> tuple[str, ...]:
    """Of ACTIONS, those the core would not refuse for the run's
    state.
    """
    allowed = {
        "approve": waits(run),
        "deny": waits(run),
        "human-fix": run.status is RunStatus.ESCALATED,
        "retry": run.status is RunStatus.ESCALATED or run.status.ended,
        "abort": run.open,
    }
    return tuple(name for name, may in allowed.items() if may)


def waits(run: RunState) -> bool:
    """Whether a proven patch waits for its approval."""
    return run.status is RunStatus.FIXED and run.review.approved_by is None


def act(run: RunState, policy: Policy) -> str:
    """What approving does now: `publish` or `merge`; empty where nothing waits. Where no change can
    be open, publishing merges at once, and is called so.
    """
    if not waits(run):
        return ""
    return "merge" if run.change.open or merges_at_once(run, policy) else "publish"


def wrong_act(run: RunState, named: str, policy: Policy) -> str:
    """Why this act is none to approve now; empty where it is one."""
    if named == "publish" and run.change.open:
        return "the change is open already: what is left to approve is its merge"
    if named == "merge" and not (run.change.open or merges_at_once(run, policy)):
        return "no change is open: approve its publishing first"
    return ""


def merges_at_once(run: RunState, policy: Policy) -> bool:
    return policy.repository(run.failure.repository).local
