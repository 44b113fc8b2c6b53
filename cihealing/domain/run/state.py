"""The state of a run, folded from its events: frozen, and nested by what it is about."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar
from uuid import UUID

import msgspec

from cihealing.domain.policy import Policy
from cihealing.domain.run.parts import (
    RunBlame,
    RunChange,
    RunCluster,
    RunDiagnosis,
    RunEnd,
    RunFailure,
    RunLocal,
    RunModels,
    RunPatches,
    RunPlan,
    RunProject,
    RunReview,
)
from cihealing.domain.run.refusals import Refused, Stale
from cihealing.domain.run.tries import AttemptState, Rerun
from cihealing.domain.values import (
    AttemptStatus,
    Digest,
    Evidence,
    Observation,
    Purpose,
    RunStatus,
    Stage,
    Time,
    Value,
)

Struct = TypeVar("Struct", bound=Value)

UNPATCHED = (
    Purpose.REPRODUCE,
    Purpose.STEADY,
    Purpose.ISOLATE,
    Purpose.RED_BEFORE,
    Purpose.RED_AFTER,
)
"""Runs of the failing tree itself: one green among them bars `proven`."""


class RunState(Value, frozen=True, kw_only=True):
    """Version 0 is a run that does not exist yet."""

    id: UUID
    version: int = 0
    generation: int = 1
    status: RunStatus = RunStatus.QUEUED
    stage: Stage = Stage.LAUNCH
    evidence: Evidence = Evidence.NONE
    policy: Digest = ""
    inherited_patch: Digest = ""
    created_at: Time | None = None
    updated_at: Time | None = None
    running_since: Time | None = None
    ran_seconds: float = 0.0
    """Time spent in `running` in this generation, up to `running_since`."""
    head: str = ""
    """The commit work goes on with: the failing commit, or the head of a claimed base or of a moved
    target.
    """
    failure: RunFailure = RunFailure()
    diagnosis: RunDiagnosis = RunDiagnosis()
    plan: RunPlan = RunPlan()
    project: RunProject = RunProject()
    local: RunLocal = RunLocal()
    blame: RunBlame = RunBlame()
    patches: RunPatches = RunPatches()
    models: RunModels = RunModels()
    attempts: tuple[AttemptState, ...] = ()
    """Of this generation."""
    past_attempts: tuple[AttemptState, ...] = ()
    """Of earlier generations."""
    reruns: tuple[Rerun, ...] = ()
    cluster: RunCluster = RunCluster()
    review: RunReview = RunReview()
    change: RunChange = RunChange()
    end: RunEnd = RunEnd()
    recurrences: int = 0
    late: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        return self.version > 0

    @property
    def open(self) -> bool:
        return self.exists and not self.status.ended

    @property
    def attempt(self) -> AttemptState | None:
        """The latest attempt of this generation."""
        return self.attempts[-1] if self.attempts else None

    @property
    def proving(self) -> AttemptState | None:
        """The attempt that is being proven now."""
        return (
            self.attempt if self.attempt and self.attempt.status is AttemptStatus.RUNNING else None
        )

    @property
    def awaited_rerun(self) -> Rerun | None:
        return self.reruns[-1] if self.reruns and not self.reruns[-1].outcome else None

    @property
    def comparison_hash(self) -> str:
        return self.failure.error_hash if self.failure.strong else self.local.hash

    def attempts_left(self, policy: Policy) -> int:
        return max(0, policy.max_attempts - len(self.attempts))

    def seconds_running(self, now: datetime) -> float:
        extra = (now - self.running_since).total_seconds() if self.running_since else 0.0
        return self.ran_seconds + max(0.0, extra)  # the clock may have been set back

    def at_head(self, *purposes: Purpose) -> tuple[Observation, ...]:
        """What was seen, outside attempts, on the commit work goes on with."""
        return tuple(
            s.seen
            for s in self.local.observations
            if s.purpose in purposes and s.seen.commit == self.head
        )

    def unpatched(self) -> tuple[Observation, ...]:
        """Every run of the failing tree without a patch, in and outside attempts, on the commit
        work goes on with.
        """
        everywhere = (*self.local.observations, *(s for a in self.attempts for s in a.observations))
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


def change(value: Struct, **fields: object) -> Struct:
    """The same but for `fields`. Raises TypeError for one that it does not have."""
    return msgspec.structs.replace(value, **fields)


def noted(run: RunState, *notes: str) -> RunPlan:
    """Its plan with something more that people should know."""
    return change(run.plan, notes=(*run.plan.notes, *notes))
