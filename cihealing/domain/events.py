"""Facts: past tense, frozen, tagged for ever. One union a stream kind; `Envelope` is what is stored
and hashed.

A tag is never reused with another meaning: a changed shape gets a new version, and an upcaster in
`store`.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from cihealing.domain.values import (
    Actor,
    Blame,
    Diagnosis,
    Digest,
    ExecutionRef,
    Failed,
    FailureClass,
    Ignored,
    Objection,
    Observation,
    Owner,
    Passed,
    Purpose,
    Sign,
    Time,
    Usage,
)


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="tag"):
    """Base of every fact."""


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


class FailureClassified(Event, frozen=True, kw_only=True, tag="failure.classified.v1"):
    failure_class: FailureClass
    confidence: float
    signs: tuple[Sign, ...] = ()
    steps: tuple[str, ...]
    """The playbook, pinned: what is tried, in order (`domain.values` has no say; see
    `playbooks`).
    """


class ProjectFound(Event, frozen=True, kw_only=True, tag="project.found.v1"):
    """What will be run, and where it came from. `command` empty: nothing can be run, `reason` says
    why.
    """

    command: str
    workdir: str = "."
    source: str = ""
    reason: str = ""
    project: Digest = ""
    """Artifact: the whole project as JSON, pinned."""


class CommandRan(Event, frozen=True, kw_only=True, tag="command.ran.v1"):
    purpose: Purpose
    seen: Observation
    attempt: int = 0
    """Number of the attempt it belongs to; 0 outside attempts."""
    patch: Digest = ""


class FailureReproduced(Event, frozen=True, kw_only=True, tag="failure.reproduced.v1"):
    how: str
    """`same hash`, `same failed test` or `same rule`."""


class FailureNotReproduced(Event, frozen=True, kw_only=True, tag="failure.not_reproduced.v1"):
    reason: str


class EnvironmentUnavailable(Event, frozen=True, kw_only=True, tag="environment.unavailable.v1"):
    missing: str


class BlameFound(Event, frozen=True, kw_only=True, tag="blame.found.v1"):
    blame: Blame
    reason: str
    base_commit: str = ""
    owner: Owner | None = None


class BaseClaimed(Event, frozen=True, kw_only=True, tag="base.claimed.v1"):
    branch: str
    head: str
    """The head of the branch that the proof goes on with."""


class AttachedToBase(Event, frozen=True, kw_only=True, tag="base.attached.v1"):
    leader: UUID


class ClusterOpened(Event, frozen=True, kw_only=True, tag="cluster.opened.v1"):
    """The first run of a failure of the machines or the environment: it stands for those that meet
    the same one.
    """


class ClusterClosed(Event, frozen=True, kw_only=True, tag="cluster.closed.v1"):
    """It was open for long enough: the next run that meets the failure stands for itself and for
    those after it.
    """


class RunClustered(Event, frozen=True, kw_only=True, tag="run.clustered.v1"):
    """The same failure as `leader`'s: it is diagnosed and told once, there."""

    leader: UUID


class RerunRequested(Event, frozen=True, kw_only=True, tag="rerun.requested.v1"):
    number: int
    handle: str


class RerunFinished(Event, frozen=True, kw_only=True, tag="rerun.finished.v1"):
    outcome: str
    """`green`, `same` or `other`."""
    execution: ExecutionRef
    successor: UUID | None = None


class RerunLost(Event, frozen=True, kw_only=True, tag="rerun.lost.v1"):
    """No result came in time."""

    number: int


class FlakeProven(Event, frozen=True, kw_only=True, tag="flake.proven.v1"):
    reds: int
    greens: int
    where: str


class ContextCollected(Event, frozen=True, kw_only=True, tag="context.collected.v1"):
    log: Digest
    command: str


class StepSkipped(Event, frozen=True, kw_only=True, tag="step.skipped.v1"):
    """A step of the playbook that could not help here, and why."""

    step: str
    reason: str


class PatchFound(Event, frozen=True, kw_only=True, tag="patch.found.v1"):
    """A fixer changed something; not yet an attempt."""

    fixer: str
    told: str
    patch: Digest
    objections: tuple[Objection, ...] = ()


class PatchDropped(Event, frozen=True, kw_only=True, tag="patch.dropped.v1"):
    """A found patch that never became an attempt: refused by the guard, repeated, or not green
    once.
    """

    fixer: str
    patch: Digest
    reason: str


class ModelAsked(Event, frozen=True, kw_only=True, tag="model.asked.v1"):
    """One call to a model, of use or not. Never holds the key."""

    number: int
    """The attempt it was for; 0: for the report."""
    provider: str
    model: str
    region: str = ""
    prompt: Digest
    """Artifact: exactly what was sent."""
    prompt_version: str = ""
    answer: Digest = ""
    """Artifact: what came back, redacted."""
    outcome: str
    """`answered`, `malformed`, `truncated`, `refused`, or why no answer came
    (`ports.ModelFailed.kind`).
    """
    problem: str = ""
    usage: Usage = Usage()
    cached_tokens: int = 0


class ModelPaused(Event, frozen=True, kw_only=True, tag="model.paused.v1"):
    """No provider could answer now: the attempt is not spent, it is asked again from `until` on."""

    reason: str
    until: Time


class BudgetRefused(Event, frozen=True, kw_only=True, tag="budget.refused.v1"):
    """No money was left for a call, so none was made."""

    scope: str
    """`run`, `repository`, `day` or `failure` (calls a day for one failure)."""
    reason: str


class FailureExplained(Event, frozen=True, kw_only=True, tag="failure.explained.v1"):
    """What a model believes of an escalated failure, its citations checked; None: why nobody was
    asked, or nothing came of it.
    """

    diagnosis: Diagnosis | None = None
    reason: str = ""


class AttemptStarted(Event, frozen=True, kw_only=True, tag="attempt.started.v1"):
    number: int
    diagnoser: str
    patch: Digest
    proposed_fix: str
    diagnosis: Diagnosis | None = None
    needs_person: tuple[str, ...] = ()
    """Soft objections of the guard to a model's patch, in words."""
    objections: tuple[Objection, ...] = ()
    """All of them, hard ones first."""


class AttemptFailed(Event, frozen=True, kw_only=True, tag="attempt.failed.v1"):
    number: int
    reason: str
    usage: Usage = Usage()


class PatchProven(Event, frozen=True, kw_only=True, tag="patch.proven.v1"):
    number: int
    patch: Digest
    proof: Digest
    """Artifact: every observation the verdict stands on, as JSON."""
    head: str
    target: str
    needs_person: tuple[str, ...] = ()
    usage: Usage = Usage()


class Approved(Event, frozen=True, kw_only=True, tag="run.approved.v1"):
    act: str
    by: Actor
    note: str = ""


class PatchDenied(Event, frozen=True, kw_only=True, tag="patch.denied.v1"):
    by: Actor
    patch: Digest
    note: str = ""


class HeadMoved(Event, frozen=True, kw_only=True, tag="head.moved.v1"):
    """The target moved after the proof: the patch is proven afresh on the new head."""

    expected: str
    found: str


class ChangePublished(Event, frozen=True, kw_only=True, tag="change.published.v1"):
    url: str
    commit: str
    merged: bool


class ChangeChecked(Event, frozen=True, kw_only=True, tag="change.checked.v1"):
    """What the open change's own CI says of its head, when that changed."""

    head: str
    checks: str
    """`none`, `pending`, `green` or `red`."""
    failing: tuple[str, ...] = ()


class ChangeFailed(Event, frozen=True, kw_only=True, tag="change.failed.v1"):
    """The change's own CI is red: the attempt that was proven here failed there."""

    number: int
    reason: str


class ChangeClosed(Event, frozen=True, kw_only=True, tag="change.closed.v1"):
    """Somebody closed our change at the forge, or opted out of it."""

    url: str
    by: str = ""
    reason: str = ""


class HumanFixProven(Event, frozen=True, kw_only=True, tag="human_fix.proven.v1"):
    """What a person did heals the failing commit here too: remembered for failures like this
    one.
    """

    commit: str
    patch: Digest


class PublishFailed(Event, frozen=True, kw_only=True, tag="publish.failed.v1"):
    reason: str


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


class ReportWritten(Event, frozen=True, kw_only=True, tag="report.written.v1"):
    report: Digest
    owner: Owner | None = None
    diagnosis: Diagnosis | None = None


class RunAborted(Event, frozen=True, kw_only=True, tag="run.aborted.v1"):
    reason: str
    """`person`, `superseded` or `changed`."""
    by: Actor | None = None
    successor: UUID | None = None
    note: str = ""


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
    | FailureRecurred
    | FailureRehashed
    | EffectGaveUp
    | LateOutcome
)
FindingEvent = (
    FailureClassified
    | ProjectFound
    | CommandRan
    | FailureReproduced
    | FailureNotReproduced
    | EnvironmentUnavailable
    | FlakeProven
    | ContextCollected
    | StepSkipped
    | ReportWritten
)
BlameEvent = (
    BlameFound
    | BaseClaimed
    | AttachedToBase
    | ClusterOpened
    | ClusterClosed
    | RunClustered
    | RerunRequested
    | RerunFinished
    | RerunLost
)
ModelEvent = ModelAsked | ModelPaused | BudgetRefused | FailureExplained
PatchEvent = PatchFound | PatchDropped | AttemptStarted | AttemptFailed | PatchProven
ReviewEvent = Approved | PatchDenied | HeadMoved | ChangePublished | PublishFailed
ChangeEvent = ChangeChecked | ChangeFailed | ChangeClosed | HumanFixProven

RunEvent = (
    LifeEvent | FindingEvent | BlameEvent | ModelEvent | PatchEvent | ReviewEvent | ChangeEvent
)


class DeliveryReceived(Event, frozen=True, kw_only=True, tag="delivery.received.v1"):
    hook: str
    key: str
    provider: str
    results: tuple[Failed | Passed | Ignored, ...]
    """Redacted, their logs moved to artifacts."""
    logs: tuple[Digest, ...]
    """One a result, empty where it carried none."""


class ResultJudged(Event, frozen=True, kw_only=True, tag="result.judged.v1"):
    """What became of one result of the delivery."""

    position: int
    run: UUID | None = None
    status: str = ""
    deduplicated: bool = False
    ignored: str = ""
    log: Digest = ""
    """Fetched later than received."""


class ResultExpanded(Event, frozen=True, kw_only=True, tag="result.expanded.v1"):
    """A coarse result fanned out into job results, appended after the received ones."""

    position: int
    results: tuple[Failed | Passed | Ignored, ...]


class DeliveryGaveUp(Event, frozen=True, kw_only=True, tag="delivery.gave_up.v1"):
    effect: str
    reason: str


DeliveryEvent = DeliveryReceived | ResultJudged | ResultExpanded | DeliveryGaveUp


class FingerprintIgnored(Event, frozen=True, kw_only=True, tag="fingerprint.ignored.v1"):
    error_hash: str
    reason: str


class FingerprintHeard(Event, frozen=True, kw_only=True, tag="fingerprint.heard.v1"):
    """No longer ignored."""

    error_hash: str


class ArtifactPurged(Event, frozen=True, kw_only=True, tag="artifact.purged.v1"):
    digest: Digest
    size: int
    reason: str


class SpendReserved(Event, frozen=True, kw_only=True, tag="spend.reserved.v1"):
    """Money set aside for one call, before it is made; one stream a call."""

    run: UUID
    repository: str
    branch: str
    error_hash: str
    number: int
    """The attempt it is for; 0: an explanation."""
    provider: str
    model: str
    usd: float
    day: str
    """Of the budget it counts in, ISO date, UTC."""


class SpendSettled(Event, frozen=True, kw_only=True, tag="spend.settled.v1"):
    usd: float
    how: str
    """`answered`, `unanswered` (no call came about: it counts for nothing), or `swept` (nobody
    knows: all that was set aside).
    """


class BudgetExhausted(Event, frozen=True, kw_only=True, tag="budget.exhausted.v1"):
    """Told to people once for each day and scope."""

    scope: str
    key: str
    """The repository, or empty."""
    day: str
    limit_usd: float


class MessagePosted(Event, frozen=True, kw_only=True, tag="message.posted.v1"):
    """What people were told of a run, on a stream of its own: telling changes nothing about the
    run.
    """

    run: UUID
    chat: str
    kind: str
    handle: str = ""


SpendEvent = SpendReserved | SpendSettled
SmallEvent = (
    FingerprintIgnored
    | FingerprintHeard
    | ArtifactPurged
    | SpendEvent
    | BudgetExhausted
    | MessagePosted
)

AnyEvent = RunEvent | DeliveryEvent | SmallEvent


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One stored fact with its circumstances. `source` names what caused it (effect, webhook, page,
    command line).
    """

    event: AnyEvent
    at: Time
    actor: Actor
    source: str
    job_id: str = ""
    run_id: UUID | None = None
    attempt_id: str = ""


def tag_of(event: Event) -> str:
    return str(event.__struct_config__.tag)
