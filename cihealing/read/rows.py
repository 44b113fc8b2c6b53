"""What the read side hands out: frozen rows that pages and the API show as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from cihealing.domain.run import RunState
from cihealing.domain.values import Diagnosis, Frame, Objection, Observation, Sign, Usage


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run as a list shows it."""

    id: UUID
    version: int
    generation: int
    job_id: str
    provider: str
    repository: str
    branch: str
    commit: str
    job: str
    pipeline_url: str
    error_hash: str
    error_type: str
    error_summary: str
    status: str
    stage: str
    failure_class: str
    confidence: float
    blame: str
    owner: str
    evidence: str
    attempt_count: int
    max_attempts: int
    pr_url: str
    escalation_reason: str
    resolution: str
    attached_to: UUID | None
    patch_hash: str
    awaiting_rerun: bool
    created_at: datetime
    updated_at: datetime

    @property
    def short_commit(self) -> str:
        return self.commit[:10]

    @property
    def proven(self) -> bool:
        return self.evidence in ("proven", "ci_proven")

    @property
    def ended(self) -> bool:
        return self.status in ("resolved", "aborted")


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """Where a word is looked for, `total` counts what was come across, 10,000 at most, and
    `total_capped` says that there may be more. `next_cursor` is None on the last page.
    """

    rows: tuple[RunRow, ...]
    total: int
    total_capped: bool
    page: int
    page_size: int
    next_cursor: str | None

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.page_size))


@dataclass(frozen=True, kw_only=True)
class ExcerptLine:
    """A numbered line of the log. `root`: the line that states the failure; `cited`: a sign or
    hypothesis points at it.
    """

    line: int
    text: str
    root: bool = False
    cited: bool = False


@dataclass(frozen=True, kw_only=True)
class SeenRow:
    """One run of a command. `seen` has exit code, colour, test counts, seconds and log tail."""

    purpose: str
    at: datetime
    patched: bool
    seen: Observation

    @property
    def passed_count(self) -> int:
        return self.seen.passed

    @property
    def failed_count(self) -> int:
        return self.seen.failed

    @property
    def skipped_count(self) -> int:
        return self.seen.skipped


@dataclass(frozen=True, kw_only=True)
class AttemptRow:
    """One numbered try. `patch` is the diff's text (empty where it was purged), `proof` the record
    as plain data.
    """

    number: int
    generation: int
    status: str
    diagnoser: str
    proposed_fix: str
    head: str
    patch_hash: str
    patch: str
    proof_hash: str
    proof: Any
    observations: tuple[SeenRow, ...]
    needs_person: tuple[str, ...]
    objections: tuple[Objection, ...]
    failure_reason: str
    usage: Usage
    diagnosis: Diagnosis | None
    started_at: datetime
    finished_at: datetime | None

    @property
    def validation_log(self) -> str:
        """Every command of the attempt with its exit code and the tail of what it said."""
        return "\n".join(_render_seen(s) for s in self.observations)


def _render_seen(item: SeenRow) -> str:
    o = item.seen
    code = "time-out" if o.exit_code is None else f"exit {o.exit_code}"
    title = f"[{item.purpose}] $ {o.command}\n{o.colour} ({code}, {o.seconds:.1f} s)"
    return f"{title}\n{o.log_tail}".rstrip() + "\n"


@dataclass(frozen=True, kw_only=True)
class CandidateRow:
    """A patch that is being looked at and is not an attempt yet."""

    fixer: str
    told: str
    patch_hash: str
    patch: str
    objections: tuple[Objection, ...]
    screened: bool


@dataclass(frozen=True, kw_only=True)
class ExecutionRow:
    provider: str
    host: str
    job_run_id: str
    attempt: int
    outcome: str
    branch: str
    commit: str
    job: str
    pipeline_url: str
    at: datetime
    log: str


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One fact. `text` is one line for people; `data` is the event as stored, without its tag."""

    version: int
    at: datetime
    actor: str
    actor_kind: str
    source: str
    tag: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class IgnoredRow:
    error_hash: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class RunDetail(RunRow):
    """Everything a page about one run shows: its state, and what was looked up for it."""

    state: RunState
    signs: tuple[Sign, ...]
    frames: tuple[Frame, ...]
    excerpt: tuple[ExcerptLine, ...]
    root_line: int | None
    secrets_masked: int
    owner_source: str
    observations: tuple[SeenRow, ...]
    candidate: CandidateRow | None
    attempts: tuple[AttemptRow, ...]
    """Of this generation; earlier ones are in `past_attempts`."""
    past_attempts: tuple[AttemptRow, ...]
    patch: str
    """Text of the proven patch that waits or was published."""
    proof_hash: str
    proof: Any
    approved_by: str
    report_hash: str
    report: Any
    """The incident report as plain data, None where there is none."""
    report_markdown: str
    executions: tuple[ExecutionRow, ...]
    followers: tuple[RunRow, ...]
    """Runs attached to this one, which end with it."""
    timeline: tuple[TimelineEntry, ...]
    ignored: IgnoredRow | None
    actions: tuple[str, ...]
    """What a person may ask for now: of `approve deny abort human-fix retry`."""
    act: str
    """What an approval would do now: `publish` or `merge`; empty where there is nothing to
    approve.
    """
    cost_usd: float
    cluster_size: int
    """Runs this one stands for, itself included, where it leads a cluster; else 0."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What is known of a run's fingerprint. `ended` counts the other runs by status or, where
    resolved, by how.
    """

    error_hash: str
    ignored: IgnoredRow | None
    others: tuple[RunRow, ...]
    ended: Mapping[str, int]
    recurrences: int


@dataclass(frozen=True, kw_only=True)
class SpendFigures:
    """Money for models, USD. What is reserved and not settled yet counts in full."""

    today: float
    by_day: Mapping[str, float]
    """The last 14 days with spend, the newest first."""
    by_repository: Mapping[str, float]
    total: float
    calls: int
    accepted: int
    """Fixes of models that people merged."""
    per_accepted_fix: float | None
    """All money over them; None before the first."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts leave out attached runs. Times in seconds, None where nothing was proven yet."""

    total: int
    by_status: Mapping[str, int]
    by_class: Mapping[str, int]
    by_resolution: Mapping[str, int]
    proven: int
    escalated: int
    flakes: int
    attempts: int
    median_seconds_to_fixed: float | None
    last_day: Mapping[str, int]
    """By status, of the runs begun in the last 24 hours."""
    spend: SpendFigures


@dataclass(frozen=True, kw_only=True)
class RepositoryRow:
    repository: str
    total: int
    open: int
    by_status: Mapping[str, int]
    proven: int
    attempts: int
    last_run_at: datetime


@dataclass(frozen=True, kw_only=True)
class DeliveryRow:
    id: UUID
    provider: str
    status: str
    received_at: datetime
    run_ids: tuple[UUID, ...]
    ignored: tuple[str, ...]
    """Reasons, one for each result that became no run."""


@dataclass(frozen=True, kw_only=True)
class GlobalEntry:
    """One fact of any run, for live lists. `cursor` resumes after it."""

    cursor: str
    run_id: UUID
    repository: str
    status: str
    stage: str
    attached: bool
    entry: TimelineEntry


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What waits to be done. Ages in seconds."""

    pending: int
    due: int
    oldest_due_seconds: float
    gave_up: int
    reading: int
    """Deliveries whose logs are still being fetched."""
    deliveries: int
