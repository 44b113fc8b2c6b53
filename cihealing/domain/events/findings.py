"""What was found out about a failure."""

from __future__ import annotations

from cihealing.domain.events.base import Event
from cihealing.domain.values import (
    Diagnosis,
    Digest,
    FailureClass,
    Observation,
    Owner,
    Purpose,
    Sign,
)


class FailureClassified(Event, frozen=True, kw_only=True, tag="failure.classified.v1"):
    failure_class: FailureClass
    confidence: float
    signs: tuple[Sign, ...] = ()
    steps: tuple[str, ...]
    """The playbook, pinned: what is tried, in order (`domain.playbooks`)."""


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


class ReportWritten(Event, frozen=True, kw_only=True, tag="report.written.v1"):
    report: Digest
    owner: Owner | None = None
    diagnosis: Diagnosis | None = None


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
