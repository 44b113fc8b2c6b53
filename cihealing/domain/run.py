"""The state of a run, folded from its events. Frozen; encodes to the JSON that pages read."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from cihealing.domain.policy import Policy
from cihealing.domain.values import (
    Actor,
    AttemptStatus,
    Blame,
    Colour,
    Diagnosis,
    Digest,
    Evidence,
    ExecutionRef,
    FailureClass,
    Objection,
    Observation,
    Owner,
    Purpose,
    RunStatus,
    Sign,
    Stage,
    Time,
    Usage,
    Value,
)

UNPATCHED = (
    Purpose.REPRODUCE,
    Purpose.STEADY,
    Purpose.ISOLATE,
    Purpose.RED_BEFORE,
    Purpose.RED_AFTER,
)
"""Runs of the failing tree itself: one green among them bars `proven`."""


class Refused(Exception):
    """The command does not fit the state; `type` is stable for the API, the message is for
    people.
    """

    type = "refused"


class Stale(Refused):
    """The command named another version than the run is at: what was seen is no longer so."""

    type = "stale-version"

    def __init__(self, version: int) -> None:
        super().__init__(f"the run is at version {version} now: look again, then decide")
        self.version = version


class Seen(Value, frozen=True, kw_only=True):
    """One observation in its place."""

    purpose: Purpose
    seen: Observation
    at: Time
    patch: Digest = ""


class Candidate(Value, frozen=True, kw_only=True):
    """A found patch that is not an attempt yet."""

    fixer: str
    told: str
    patch: Digest
    objections: tuple[Objection, ...] = ()
    screened: bool = False


class Attempt(Value, frozen=True, kw_only=True):
    number: int
    status: AttemptStatus
    diagnoser: str
    patch: Digest
    proposed_fix: str
    head: str
    """The commit this attempt is proven on now."""
    observations: tuple[Seen, ...] = ()
    needs_person: tuple[str, ...] = ()
    objections: tuple[Objection, ...] = ()
    failure_reason: str = ""
    proof: Digest = ""
    usage: Usage = Usage()
    diagnosis: Diagnosis | None = None
    started_at: Time
    finished_at: Time | None = None
    generation: int = 1


class Asked(Value, frozen=True, kw_only=True):
    """One call to a model, as pages show it."""

    number: int
    provider: str
    model: str
    outcome: str
    prompt: Digest
    answer: Digest = ""
    problem: str = ""
    region: str = ""
    usage: Usage = Usage()
    generation: int = 1
    at: Time


class Rerun(Value, frozen=True, kw_only=True):
    number: int
    handle: str
    outcome: str = ""
    """Empty while it is waited for; `green`, `same`, `other` or `lost`."""


class Run(Value, frozen=True, kw_only=True):
    """Version 0 is a run that does not exist yet."""

    id: UUID
    version: int = 0
    generation: int = 1
    status: RunStatus = RunStatus.QUEUED
    stage: Stage = Stage.LAUNCH
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
    execution: ExecutionRef | None = None
    failed_at: Time | None = None
    error_hash: str = ""
    local_hash: str = ""
    """What a weak run compares with: the hash of its first local red."""
    strong: bool = True
    error_type: str = ""
    summary: str = ""
    failed_tests: tuple[str, ...] = ()
    rule: str = ""
    failure: Digest = ""
    log: Digest = ""
    log_missing: str = ""
    policy: Digest = ""
    inherited_patch: Digest = ""
    ci_greens: int = 0
    """Green runs of the same job on the same commit, as CI reported them."""
    created_at: Time | None = None
    updated_at: Time | None = None
    running_since: Time | None = None
    ran_seconds: float = 0.0
    """Time spent in `running` in this generation, up to `running_since`."""
    failure_class: FailureClass = FailureClass.UNKNOWN
    confidence: float = 0.0
    signs: tuple[Sign, ...] = ()
    steps: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    """Steps that are over, with or without use."""
    notes: tuple[str, ...] = ()
    """Why steps were skipped and what was found out, for people."""
    project_command: str = ""
    project_workdir: str = "."
    project_source: str = ""
    project_reason: str = ""
    project: Digest = ""
    observations: tuple[Seen, ...] = ()
    reproduced: str = ""
    not_reproduced: str = ""
    unavailable: str = ""
    head: str = ""
    """The commit work goes on with: the failing commit, or the head of a claimed base or of a moved
    target.
    """
    target: str = ""
    """The branch a change goes to."""
    context: Digest = ""
    blame: Blame | None = None
    blame_reason: str = ""
    base_commit: str = ""
    owner: Owner | None = None
    claimed_base: str = ""
    attached_to: UUID | None = None
    evidence: Evidence = Evidence.NONE
    reruns: tuple[Rerun, ...] = ()
    candidate: Candidate | None = None
    tried_patches: tuple[Digest, ...] = ()
    tried_fixers: tuple[str, ...] = ()
    refused_patches: tuple[Digest, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    """Of this generation."""
    past_attempts: tuple[Attempt, ...] = ()
    """Of earlier generations."""
    asked: tuple[Asked, ...] = ()
    """Calls to models, of every generation."""
    model_pauses: int = 0
    """How often in a row nobody could answer."""
    model_not_before: Time | None = None
    cluster_leader: UUID | None = None
    leads_cluster: bool = False
    patch: Digest = ""
    """The proven patch that waits, or was published."""
    proof: Digest = ""
    proven_at: int = 0
    """The version at which the waiting patch was proven; the review's timer names it."""
    approved_by: Actor | None = None
    approved_act: str = ""
    publish_failures: int = 0
    pr_url: str = ""
    change_open: bool = False
    change_commit: str = ""
    """The commit of the open change that was published; a merge is bound to it."""
    change_checks: str = ""
    changes: int = 0
    """Changes opened so far."""
    merged_commit: str = ""
    human_fix: Digest = ""
    """The patch of a person's fix that was shown to heal the failing commit."""
    resolution: str = ""
    escalation_reason: str = ""
    abort_reason: str = ""
    successor: UUID | None = None
    report: Digest = ""
    diagnosis: Diagnosis | None = None
    recurrences: int = 0
    late: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        return self.version > 0

    @property
    def open(self) -> bool:
        return self.exists and not self.status.ended

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt of this generation."""
        return self.attempts[-1] if self.attempts else None

    @property
    def proving(self) -> Attempt | None:
        """The attempt that is being proven now."""
        return (
            self.attempt if self.attempt and self.attempt.status is AttemptStatus.RUNNING else None
        )

    @property
    def cost_usd(self) -> float:
        return sum(a.usage.cost_usd for a in self.asked)

    @property
    def awaited_rerun(self) -> Rerun | None:
        return self.reruns[-1] if self.reruns and not self.reruns[-1].outcome else None

    @property
    def comparison_hash(self) -> str:
        return self.error_hash if self.strong else self.local_hash

    def attempts_left(self, policy: Policy) -> int:
        return max(0, policy.max_attempts - len(self.attempts))

    def seconds_running(self, now: datetime) -> float:
        extra = (now - self.running_since).total_seconds() if self.running_since else 0.0
        return self.ran_seconds + max(0.0, extra)  # the clock may have been set back

    def at_head(self, *purposes: Purpose) -> tuple[Observation, ...]:
        """What was seen, outside attempts, on the commit work goes on with."""
        return tuple(
            s.seen
            for s in self.observations
            if s.purpose in purposes and s.seen.commit == self.head
        )

    def unpatched(self) -> tuple[Observation, ...]:
        """Every run of the failing tree without a patch, in and outside attempts, on the commit
        work goes on with.
        """
        everywhere = (*self.observations, *(s for a in self.attempts for s in a.observations))
        return tuple(
            s.seen for s in everywhere if s.purpose in UNPATCHED and s.seen.commit == self.head
        )

    def require(self, *statuses: RunStatus) -> None:
        """Raises Refused where the run is in none of `statuses`."""
        if self.status not in statuses or not self.exists:
            wanted = " or ".join(statuses)
            raise Refused(f"the run is {self.status}, this needs it {wanted}")

    def require_version(self, version: int | None) -> None:
        """Raises Stale where a version is named that is not this one."""
        if version is not None and version != self.version:
            raise Stale(self.version)


def change(run: Run, **fields: object) -> Run:
    return msgspec.structs.replace(run, **fields)


def sameness(run: Run, seen: Observation) -> str:
    """How a red observation is the failure of the run: `same hash`, `same failed test`, `same
    rule`, or empty where it is another.
    """
    if seen.colour is not Colour.RED:
        return ""
    if not run.strong and not run.local_hash:
        return "first local red"
    if seen.error_hash and seen.error_hash == run.comparison_hash:
        return "same hash"
    if seen.error_type != run.error_type and run.strong:
        return ""
    if same_test(run.failed_tests, seen.failed_tests):
        return "same failed test"
    return "same rule" if run.rule and run.rule == seen.rule else ""


def same_test(names: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return bool({leaf(n) for n in names} & {leaf(o) for o in others})


def leaf(name: str) -> str:
    """The part that runners agree on: `tests/a.py::T::test_x`, `tests.a.T.test_x` and `test_x
    (tests.a.T)` are one test.
    """
    bare = name.split(" ")[0] if "::" not in name else name
    return (
        bare.rsplit("::", 1)[-1].rsplit(".", 1)[-1] if "[" not in bare else bare.rsplit("::", 1)[-1]
    )
