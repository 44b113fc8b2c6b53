"""The state of a run by what it is about.

A part's fields have a name of their own inside it, and one that is unique over all parts in stored
documents and in the API (`blame.reason` is `blameReason` there): `rename` says which. A part's
documents are laid into that of the run (`document.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from cihealing.domain.run.tries import Candidate, PastCall, Seen
from cihealing.domain.values import (
    Actor,
    Blame,
    Diagnosis,
    Digest,
    ExecutionRef,
    FailureClass,
    Owner,
    Sign,
    Time,
    Value,
)


def named(part: str, **others: str) -> Callable[[str], str]:
    """Names in documents: `part_field`, but for `others` (field -> name)."""
    return lambda field: others.get(field, f"{part}_{field}")


class Part(Value, frozen=True, kw_only=True):
    """Base of every part."""


class RunFailure(
    Part, frozen=True, kw_only=True, rename={"artifact": "failure", "greens": "ci_greens"}
):
    """What failed, and what its log says: told once, and the same in every generation."""

    provider: str = ""
    repository: str = ""
    branch: str = ""
    commit: str = ""
    job: str = ""
    step: str = ""
    command: str = ""
    pipeline_url: str = ""
    base_branch: str = ""
    fork: bool = False
    head_repository: str = ""
    partial: bool = False
    definition: str = ""
    ref: str = ""
    change_number: str = ""
    parent_id: str = ""
    parent_attempt: int = 0
    execution: ExecutionRef | None = None
    failed_at: Time | None = None
    error_hash: str = ""
    strong: bool = True
    error_type: str = ""
    summary: str = ""
    failed_tests: tuple[str, ...] = ()
    rule: str = ""
    artifact: Digest = ""
    log: Digest = ""
    log_missing: str = ""
    greens: int = 0
    """Green runs of the same job on the same commit, as CI reported them."""

    @property
    def target(self) -> str:
        """The branch a change belongs on: what a merge queue merges into; empty for a tag."""
        return self.branch or (self.base_branch if self.ref else "")


class RunDiagnosis(Part, frozen=True, kw_only=True, rename={"believed": "diagnosis"}):
    """What is believed of the failure, before and without proof."""

    failure_class: FailureClass = FailureClass.UNKNOWN
    confidence: float = 0.0
    signs: tuple[Sign, ...] = ()
    believed: Diagnosis | None = None
    """By a model."""


class RunPlan(Part, frozen=True, kw_only=True):
    """What is tried, in order, and what came of it."""

    steps: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    """Steps that are over, with or without use."""
    notes: tuple[str, ...] = ()
    """Why steps were skipped and what was found out, for people."""


class RunProject(Part, frozen=True, kw_only=True, rename=named("project", artifact="project")):
    """Which command stands for the job that failed."""

    command: str = ""
    workdir: str = "."
    source: str = ""
    reason: str = ""
    artifact: Digest = ""


class RunLocal(Part, frozen=True, kw_only=True, rename={"hash": "local_hash"}):
    """What was seen outside attempts when the command was run here."""

    observations: tuple[Seen, ...] = ()
    reproduced: str = ""
    not_reproduced: str = ""
    unavailable: str = ""
    hash: str = ""
    """What a weak run compares with: the hash of its first local red."""
    context: Digest = ""


class RunBlame(
    Part, frozen=True, kw_only=True, rename={"verdict": "blame", "reason": "blame_reason"}
):
    """Whose failure it is."""

    verdict: Blame | None = None
    reason: str = ""
    base_commit: str = ""
    owner: Owner | None = None
    claimed_base: str = ""


class RunPatches(
    Part,
    frozen=True,
    kw_only=True,
    rename={"tried": "tried_patches", "fixers": "tried_fixers", "refused": "refused_patches"},
):
    """What was thought of so far."""

    candidate: Candidate | None = None
    tried: tuple[Digest, ...] = ()
    fixers: tuple[str, ...] = ()
    """Which of them were asked."""
    refused: tuple[Digest, ...] = ()
    """By people, for good."""


class RunModels(Part, frozen=True, kw_only=True, rename=named("model", asked="asked")):
    """What models were asked, and what it cost."""

    asked: tuple[PastCall, ...] = ()
    """Calls of every generation."""
    pauses: int = 0
    """How often in a row nobody could answer."""
    not_before: Time | None = None

    @property
    def cost_usd(self) -> float:
        return sum(a.usage.cost_usd for a in self.asked)


class RunCluster(
    Part, frozen=True, kw_only=True, rename={"leader": "cluster_leader", "leads": "leads_cluster"}
):
    """Which run stands for this one, or for which it stands."""

    attached_to: UUID | None = None
    leader: UUID | None = None
    leads: bool = False


class RunReview(Part, frozen=True, kw_only=True):
    """The proven patch that waits, or was published."""

    patch: Digest = ""
    proof: Digest = ""
    proven_at: int = 0
    """The version at which the waiting patch was proven; the review's timer names it."""
    approved_by: Actor | None = None
    approved_act: str = ""


class RunChange(
    Part,
    frozen=True,
    kw_only=True,
    rename={
        "url": "pr_url",
        "open": "change_open",
        "commit": "change_commit",
        "checks": "change_checks",
        "opened": "changes",
    },
):
    """What was published, and what became of it at the forge."""

    target: str = ""
    """The branch a change goes to."""
    url: str = ""
    open: bool = False
    commit: str = ""
    """The commit of the open change that was published; a merge is bound to it."""
    checks: str = ""
    opened: int = 0
    """Changes opened so far."""
    merged_commit: str = ""
    human_fix: Digest = ""
    """The patch of a person's fix that was shown to heal the failing commit."""
    publish_failures: int = 0


class RunEnd(Part, frozen=True, kw_only=True):
    """How it ended, or why it waits for people."""

    resolution: str = ""
    escalation_reason: str = ""
    abort_reason: str = ""
    successor: UUID | None = None
    report: Digest = ""
