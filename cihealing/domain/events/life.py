"""Facts about a run as a whole."""

from __future__ import annotations

from uuid import UUID

from cihealing.domain.events.base import Event
from cihealing.domain.values import Actor, Digest, ExecutionRef, Owner, Time


class RunQueued(Event, frozen=True, kw_only=True, tag="run.queued.v1"):
    provider: str
    repository: str
    branch: str
    commit: str
    job: str
    step: str = ""
    command: str = ""
    """What CI says was run; a selector, never executed."""
    pipeline_url: str = ""
    base_branch: str = ""
    fork: bool = False
    head_repository: str = ""
    partial: bool = False
    definition: str = ""
    ref: str = ""
    """What was built, where that is no branch."""
    change_number: str = ""
    """Number of the pull or merge request that was built, where it is told."""
    parent_id: str = ""
    parent_attempt: int = 0
    execution: ExecutionRef
    finished_at: Time
    error_hash: str
    strong: bool
    error_type: str
    summary: str
    failed_tests: tuple[str, ...] = ()
    rule: str = ""
    """`tool:rule:file` of the first lint or compile error, for failures without tests."""
    failure: Digest
    """Artifact: the whole `Failure` as JSON."""
    log: Digest = ""
    log_missing: str = ""
    policy: Digest
    """Artifact: the policy this run pins."""
    inherited_patch: Digest = ""
    """Proven on an older commit for the same failure: screened before anything else is tried."""
    supersedes: tuple[UUID, ...] = ()
    greens: int = 0
    """How often the same job was green on the same commit before."""


class RunStarted(Event, frozen=True, kw_only=True, tag="run.started.v1"):
    """Status becomes running; time begins to count."""


class RunResolved(Event, frozen=True, kw_only=True, tag="run.resolved.v1"):
    how: str
    """`merged`, `rerun_green`, `flake`, `base_healed`, `human_fix` or `green_later`."""
    by: Actor | None = None
    note: str = ""
    commit: str = ""
    """Of a human fix, where the person named it."""


class RunEscalated(Event, frozen=True, kw_only=True, tag="run.escalated.v1"):
    reason: str
    owner: Owner | None = None
    report: Digest = ""


class RunAborted(Event, frozen=True, kw_only=True, tag="run.aborted.v1"):
    reason: str
    """`person`, `superseded`, `changed`, `leader`, `gone` (the branch the patch belongs on is no
    more) or `allowed` (CI lets the job fail).
    """
    by: Actor | None = None
    successor: UUID | None = None
    note: str = ""


class GreenRerunSeen(Event, frozen=True, kw_only=True, tag="rerun.green_seen.v1"):
    """The same job was green on the same commit, in a rerun that nobody here asked for."""

    execution: ExecutionRef

    @property
    def note(self) -> str:
        return (
            "the same job was green on a rerun of the same commit"
            f" ({self.execution.job_run_id}, attempt {self.execution.attempt}): that speaks for a"
            " flake"
        )


class FailureRecurred(Event, frozen=True, kw_only=True, tag="failure.recurred.v1"):
    execution: ExecutionRef


class FailureRehashed(Event, frozen=True, kw_only=True, tag="failure.rehashed.v1"):
    """The rules of fingerprints changed: what the stored log gives by the new ones. Which it was
    before, the earlier facts say.
    """

    error_hash: str
    strong: bool


class RunRetried(Event, frozen=True, kw_only=True, tag="run.retried.v1"):
    generation: int
    by: Actor
    policy: Digest
    note: str = ""


class EffectGaveUp(Event, frozen=True, kw_only=True, tag="effect.gave_up.v1"):
    effect: str
    reason: str


class LateOutcome(Event, frozen=True, kw_only=True, tag="outcome.late.v1"):
    """What a fenced worker still did: kept, never acted on blindly."""

    effect: str
    outcome: str


LifeEvent = (
    RunQueued
    | RunStarted
    | RunResolved
    | RunEscalated
    | RunAborted
    | RunRetried
    | GreenRerunSeen
    | FailureRecurred
    | FailureRehashed
    | EffectGaveUp
    | LateOutcome
)
