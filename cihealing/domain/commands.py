"""What may be asked of a run: imperative, frozen. `decide` turns one into events, or refuses it."""

from __future__ import annotations

from uuid import UUID

import msgspec

from cihealing.domain.events import RunQueued
from cihealing.domain.values import (
    Actor,
    Diagnosis,
    Digest,
    ExecutionRef,
    FailureClass,
    Objection,
    Observation,
    Owner,
    Purpose,
    RunStatus,
    Sign,
    Time,
    Usage,
)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every command."""


class QueueRun(Command, frozen=True, kw_only=True):
    """Begin the run; the fact is made by the service, which knows where everything was stored."""

    queued: RunQueued


class Recur(Command, frozen=True, kw_only=True):
    execution: ExecutionRef


class Rehash(Command, frozen=True, kw_only=True):
    """By newer rules the fingerprint of the failure is this one."""

    error_hash: str
    strong: bool


class Supersede(Command, frozen=True, kw_only=True):
    """The same failure was reported on a newer commit of the branch."""

    successor: UUID


class GreenLater(Command, frozen=True, kw_only=True):
    """The job is green on a later commit of the branch."""

    commit: str


class SeeGreenRerun(Command, frozen=True, kw_only=True):
    """The same job is green on the same commit: CI or somebody ran it again."""

    execution: ExecutionRef


class Allow(Command, frozen=True, kw_only=True):
    """CI lets the job fail: what it is part of is green."""

    note: str


class CloseCluster(Command, frozen=True, kw_only=True):
    """Another run gathers those who meet this failure of the machines from now on."""


class FollowLeader(Command, frozen=True, kw_only=True):
    """Go the way of the run this one is attached to. `status`: where that one is, known inside the
    transaction alone.
    """

    leader: UUID
    status: RunStatus | None = None


class PassDeadline(Command, frozen=True, kw_only=True):
    """The timer over `max_total_duration` rang. `promised`: for when it was set; a clock that was
    set back meanwhile says less.
    """

    promised: Time | None = None


class ExpireReview(Command, frozen=True, kw_only=True):
    """The timer over an unanswered review rang; `version` is that of the proof it waited on."""

    version: int


class GiveUp(Command, frozen=True, kw_only=True):
    """An effect failed for good: claimed too often, or refused with a reason for people."""

    effect: str
    reason: str


class RecordClass(Command, frozen=True, kw_only=True):
    failure_class: FailureClass
    confidence: float
    signs: tuple[Sign, ...]
    steps: tuple[str, ...]
    leader: UUID | None = None
    """Who stands for this failure of the machines already."""


class RecordProject(Command, frozen=True, kw_only=True):
    command: str
    workdir: str = "."
    source: str = ""
    reason: str = ""
    project: Digest = ""


class RecordObservation(Command, frozen=True, kw_only=True):
    purpose: Purpose
    seen: Observation
    attempt: int = 0
    patch: Digest = ""


class RecordBlame(Command, frozen=True, kw_only=True):
    """What was seen on the base. `seen` None: nothing could be run there, `reason` says why.

    `target` and `head`: the base branch and where it is now. `leader`: who stands for this base
    failure already,
    `leader_status`: where that one is.
    """

    seen: Observation | None
    reason: str
    target: str = ""
    head: str = ""
    owner: Owner | None = None
    leader: UUID | None = None
    leader_status: RunStatus | None = None


class RecordRerun(Command, frozen=True, kw_only=True):
    number: int
    handle: str


class RecordRerunFinished(Command, frozen=True, kw_only=True):
    outcome: str
    execution: ExecutionRef
    successor: UUID | None = None


class LoseRerun(Command, frozen=True, kw_only=True):
    """No result of rerun `number` came in time, or it could not be asked for."""

    number: int
    reason: str = ""


class ModelCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call as it is put on record; see `events.ModelAsked`."""

    provider: str
    model: str
    region: str = ""
    prompt: Digest
    prompt_version: str = ""
    answer: Digest = ""
    outcome: str
    problem: str = ""
    usage: Usage = Usage()
    cached_tokens: int = 0


class RecordAnswer(Command, frozen=True, kw_only=True):
    """What a model answered for attempt `number`. `reason`: why there is nothing to prove; empty:
    `patch` is to be proven.
    """

    number: int
    calls: tuple[ModelCall, ...]
    diagnoser: str
    diagnosis: Diagnosis | None = None
    proposed_fix: str = ""
    patch: Digest = ""
    objections: tuple[Objection, ...] = ()
    reason: str = ""


class RecordNoAnswer(Command, frozen=True, kw_only=True):
    """Nobody answered for attempt `number`: it is not spent. `delay` in seconds until the next try;
    None: it is no use.
    """

    number: int
    calls: tuple[ModelCall, ...] = ()
    reason: str
    delay: float | None = None
    budget: str = ""
    """The scope whose budget is used up, where that is why."""


class RecordExplanation(Command, frozen=True, kw_only=True):
    calls: tuple[ModelCall, ...] = ()
    diagnosis: Diagnosis | None = None
    reason: str = ""


class RecordPatch(Command, frozen=True, kw_only=True):
    fixer: str
    told: str
    patch: Digest
    objections: tuple[Objection, ...] = ()


class SkipStep(Command, frozen=True, kw_only=True):
    step: str
    reason: str


class RecordProof(Command, frozen=True, kw_only=True):
    """The record over an attempt's observations. `faults`: why it proves nothing; empty: proven."""

    number: int
    proof: Digest
    faults: tuple[str, ...]
    flake: bool = False
    usage: Usage = Usage()


class RecordReport(Command, frozen=True, kw_only=True):
    report: Digest
    owner: Owner | None
    diagnosis: Diagnosis | None


class RecordPublished(Command, frozen=True, kw_only=True):
    url: str
    commit: str
    merged: bool


class RecordChange(Command, frozen=True, kw_only=True):
    """How the change at `url` stands at the forge."""

    url: str
    state: str
    head: str
    checks: str = "none"
    failing: tuple[str, ...] = ()
    merged_commit: str = ""
    opted_out: bool = False
    by: str = ""


class RecordHumanFix(Command, frozen=True, kw_only=True):
    commit: str
    patch: Digest


class RecordPublishFailed(Command, frozen=True, kw_only=True):
    reason: str


class RecordHeadMoved(Command, frozen=True, kw_only=True):
    expected: str
    found: str


class Approve(Command, frozen=True, kw_only=True):
    act: str
    version: int | None
    by: Actor
    note: str = ""


class Deny(Command, frozen=True, kw_only=True):
    by: Actor
    version: int | None = None
    note: str = ""


class Abort(Command, frozen=True, kw_only=True):
    by: Actor
    version: int | None = None
    note: str = ""


class Retry(Command, frozen=True, kw_only=True):
    by: Actor
    policy: Digest
    version: int | None = None
    note: str = ""


class FixByHand(Command, frozen=True, kw_only=True):
    """A person says that they fixed it, and perhaps with which commit."""

    by: Actor
    version: int | None = None
    note: str = ""
    commit: str = ""


LifeCommand = (
    QueueRun
    | Recur
    | Rehash
    | Supersede
    | GreenLater
    | SeeGreenRerun
    | Allow
    | CloseCluster
    | FollowLeader
    | PassDeadline
    | ExpireReview
    | GiveUp
)
OutcomeCommand = (
    RecordClass
    | RecordProject
    | RecordObservation
    | RecordBlame
    | RecordRerun
    | RecordRerunFinished
    | LoseRerun
    | RecordPatch
    | RecordAnswer
    | RecordNoAnswer
    | RecordExplanation
    | SkipStep
    | RecordProof
    | RecordReport
)
PublishCommand = (
    RecordPublished | RecordPublishFailed | RecordHeadMoved | RecordChange | RecordHumanFix
)
PersonCommand = Approve | Deny | Abort | Retry | FixByHand
RunCommand = LifeCommand | OutcomeCommand | PublishCommand | PersonCommand
