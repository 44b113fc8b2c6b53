"""The words of the domain as frozen values: ids, enums, and what providers and capabilities hand to
the core.

Pure: no Django, no I/O, no clock, no randomness. Every time is an aware UTC `datetime` that comes
in as an argument.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID, uuid5

import msgspec

Digest = str
"""SHA-256 of an artifact's content, 64 lower-case hex digits."""

Time = Annotated[datetime, msgspec.Meta(tz=True)]

NAMESPACE = UUID("6a0f8d6e-3f0c-5b52-9a53-0c1c0a8e6c11")
"""Namespace of every name-based id of the service. Never change it: stored ids hang on it."""


def digest_of(content: bytes) -> Digest:
    return hashlib.sha256(content).hexdigest()


def run_id_of(repository: str, commit: str, error_hash: str) -> UUID:
    """The one id a run for this failure can have: sameness needs no lookup."""
    return uuid5(NAMESPACE, f"run\n{repository}\n{commit}\n{error_hash}")


class Value(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=False
):
    """Base of every frozen value that is stored as JSON."""


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    FIXED = "fixed"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    ABORTED = "aborted"

    @property
    def ended(self) -> bool:
        return self in (RunStatus.RESOLVED, RunStatus.ABORTED)


class Stage(StrEnum):
    LAUNCH = "Launch"
    READING = "Reading"
    DIAGNOSIS = "Diagnosis"
    REMEDIATION = "Remediation"
    PROOF = "Proof"
    REVIEW = "Review"
    RERUN = "Rerun"
    ESCALATION = "Escalation"


class AttemptStatus(StrEnum):
    RUNNING = "running"
    FAILED = "failed"
    SUCCEEDED = "succeeded"


class FailureClass(StrEnum):
    INFRA = "infra"
    ENV = "env"
    DATA = "data"
    FLAKY = "flaky"
    PRODUCT = "product"
    AUTOMATION = "automation"
    UNKNOWN = "unknown"


class Blame(StrEnum):
    CHANGE = "change"
    BASE = "base"
    FLAKE = "flake"
    INFRA = "infra"
    UNKNOWN = "unknown"


class Evidence(StrEnum):
    """What the claims of a run stand on, weakest first."""

    NONE = "none"
    NOT_REPRODUCED = "not_reproduced"
    REPRODUCED = "reproduced"
    PROVEN = "proven"
    CI_PROVEN = "ci_proven"


class Mode(StrEnum):
    OFF = "off"
    DIAGNOSE = "diagnose"
    PROPOSE = "propose"
    OPEN = "open"


class ExecutionRef(Value, frozen=True, kw_only=True):
    """One CI job run. `job_run_id` is the provider's own id, unique with host and attempt."""

    provider: str
    host: str
    job_run_id: str
    attempt: int = 1


class JobFacts(Value, frozen=True, kw_only=True):
    """What every result says about the job run it is the result of."""

    execution: ExecutionRef
    repository: str
    """`owner/name` (GitLab: full path with namespace); never a URL."""
    branch: str
    commit: str
    """Full hash of the commit that was built, lower-case hex; of a PR build its head."""
    job: str
    pipeline_url: str = ""
    base_branch: str = ""
    """Branch the change would be merged into, where the payload names one (PR/MR builds)."""
    fork: bool = False
    """True where the built code comes from another repository than `repository`."""
    head_repository: str = ""
    """Of a fork's code: whose it is, where that is told."""
    partial: bool = False
    """True where the sender does not say whose code was built, or which definition the job is of:
    until the provider tells, the result says nothing about any other.
    """
    definition: str = ""
    """What defines the job beside its name: workflow, stage, pipeline; empty where there is no
    such thing.
    """
    ref: str = ""
    """What was built where that is no branch: a tag, a change's or a merge queue's own ref, as it
    stays from one build to the next. `branch` is then empty.
    """
    change: str = ""
    """Number of the pull or merge request that was built, where it is told."""
    parent_id: str = ""
    """Provider's id of the coarser thing the job is part of (workflow run, pipeline)."""
    parent_attempt: int = 0
    """Which attempt of the coarser thing; 0 where that is not told."""
    coarse: bool = False
    """True where the result is of a whole workflow or pipeline, not of one job."""
    finished_at: Time | None = None


class Failed(JobFacts, frozen=True, kw_only=True, tag="failed"):
    log: str | None = None
    """The log as the payload carries it, not yet redacted; None where it must be fetched."""
    step: str = ""
    command: str = ""
    """What CI says was run. It selects among configured commands and is never executed."""
    error_type: str = ""
    conclusion: str = "failure"
    never_started: str = ""
    """Why no step of it ran, in words: such a job says nothing about the code."""


class Passed(JobFacts, frozen=True, kw_only=True, tag="passed"):
    log: str | None = None
    """The log of the green run where the payload carries it: it says which lines also stand on
    green.
    """


class Ignored(Value, frozen=True, kw_only=True, tag="ignored"):
    """An authentic event that is no result of a job. `reason` is shown to the sender."""

    reason: str


Result = Failed | Passed | Ignored


class Line(Value, frozen=True, kw_only=True):
    """One numbered line of the original file (1-based, universal newlines), already redacted."""

    line: int
    text: str


class Frame(Value, frozen=True, kw_only=True):
    file: str
    line: int
    function: str = ""


class Sign(Value, frozen=True, kw_only=True):
    """A reason for a claim: the rule that spoke and the log line it cites."""

    rule: str
    line: int
    text: str


class Failure(Value, frozen=True, kw_only=True):
    """What a failed execution says once read. Everything in it is redacted."""

    error_hash: str
    """Version-prefixed SHA-256 over the normalised signature, e.g. `v2:3f…`."""
    strong: bool
    """False where only job and step names were known."""
    error_type: str
    summary: str
    """One line, at most 300 characters."""
    failure_class: FailureClass = FailureClass.UNKNOWN
    confidence: float = 0.0
    signs: tuple[Sign, ...] = ()
    root_line: int | None = None
    excerpt: tuple[Line, ...] = ()
    failed_tests: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    step: str = ""
    command: str = ""
    secrets_masked: int = 0
    log_missing: str = ""
    """Why there is no log, and which setting would bring it; empty where there was one."""


class Purpose(StrEnum):
    """Why a command is run: the position of one sandbox run in the life of a healing run."""

    REPRODUCE = "reproduce"
    """The failing commit, unpatched: is it red here, for the same reason?"""
    STEADY = "steady"
    """The failing commit again, until 5 of 5 red say that it is deterministic."""
    ISOLATE = "isolate"
    """The failing tests alone, on the failing commit."""
    BASE = "base"
    """The merge base (or last green, or first parent), to place blame."""
    DEBUG = "debug"
    """The failing commit with the verbose variant of the command, to collect context."""
    SCREEN = "screen"
    """The patched tree once: a fixer's patch becomes an attempt only when this is green."""
    RED_BEFORE = "red_before"
    GREEN = "green"
    RED_AFTER = "red_after"
    CANARY = "canary"
    """The patched tree plus a test that must fail: a runner that cannot report red proves
    nothing.
    """


class Colour(StrEnum):
    GREEN = "green"
    """Exit 0."""
    RED = "red"
    """The command ran and said no (non-zero exit, not one of the below)."""
    UNAVAILABLE = "unavailable"
    """The environment is missing something: set-up failed, command not found."""
    TIMED_OUT = "timed_out"


class Observation(Value, frozen=True, kw_only=True):
    """One run of one command, as it happened. Test names are the runner's own ids."""

    colour: Colour
    exit_code: int | None
    """None where the process did not end by itself (time-out)."""
    command: str
    commit: str
    tree: str
    """Git tree hash that was run, patch included."""
    environment: str
    """Name of what it ran in, e.g. `bubblewrap/python3.11`; equal strings are one environment."""
    seconds: float
    error_hash: str = ""
    """Fingerprint of this run's own output; empty on green."""
    error_type: str = ""
    rule: str = ""
    """`tool:rule:file` of the first lint or compile error, for tools that have no tests."""
    counts_tests: bool = False
    """True where per-test results could be read (then the next fields mean something)."""
    passed_tests: tuple[str, ...] = ()
    failed_tests: tuple[str, ...] = ()
    skipped_tests: tuple[str, ...] = ()
    collected: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    tests: Digest = ""
    """Artifact: the whole lists of test names, where the tuples above were shortened for the
    event.
    """
    log: Digest = ""
    """Artifact: the redacted output, bounded."""
    log_tail: str = ""
    """Last lines of the redacted output, at most 2,000 characters."""
    missing: str = ""
    """For UNAVAILABLE: what is missing, in words for a person."""
    canary_red: bool = False
    """For CANARY runs: the planted test was reported as failed."""
    violations: tuple[str, ...] = ()
    """What the sandbox saw the command do that voids a proof (e.g. files changed outside the
    tree).
    """


class Owner(Value, frozen=True, kw_only=True):
    name: str
    """Login, team or e-mail, as found."""
    source: str
    """`codeowners`, `last author of FILE` or `commit author`."""


class Hypothesis(Value, frozen=True, kw_only=True):
    text: str
    signs: tuple[Sign, ...]
    """At least one; each checked against the stored excerpt."""
    by: str = ""
    """Who believes it: `offline` or a model; empty where that was not kept."""
    confidence: float = 0.0
    disproved: bool = False
    """An attempt that stood on it did not turn the command green."""


class Diagnosis(Value, frozen=True, kw_only=True):
    """Why it broke, or an honest "I do not know" (`confidence` 0)."""

    root_cause: str
    failure_class: FailureClass
    confidence: float
    hypotheses: tuple[Hypothesis, ...] = ()
    proposed_fix: str = ""
    look_at: tuple[str, ...] = ()
    diagnoser: str = "offline"


class Objection(Value, frozen=True, kw_only=True):
    """What the guard has against a patch. A hard one ends the attempt, a soft one needs a
    person.
    """

    rule: str
    text: str
    hard: bool


class Usage(Value, frozen=True, kw_only=True):
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def plus(self, other: Usage) -> Usage:
        return Usage(
            seconds=self.seconds + other.seconds,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
        )


class Actor(Value, frozen=True, kw_only=True):
    """Who did it: a person's login, or the service itself."""

    kind: str
    """`person`, `service` or `ci`."""
    name: str


SERVICE = Actor(kind="service", name="cihealing")


def rule_of(failure: Failure) -> str:
    """`error type:file` of the first place a tool without tests complained about; empty where none
    is named.
    """
    return (
        f"{failure.error_type}:{failure.frames[0].file}"
        if failure.frames and not failure.failed_tests
        else ""
    )
