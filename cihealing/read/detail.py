"""Everything about one run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any
from uuid import UUID

import msgspec

from cihealing import models
from cihealing.domain import review
from cihealing.domain import run as core
from cihealing.domain.values import Diagnosis, Failure
from cihealing.read.access import Viewer, visible
from cihealing.read.feed import latest
from cihealing.read.memory import ignored
from cihealing.read.rows import (
    AskedRow,
    AttemptRow,
    CandidateRow,
    ExcerptLine,
    ExecutionRow,
    RerunRow,
    RunDetail,
    Seen,
)
from cihealing.read.runs import COLUMNS, job_ids, with_jobs
from cihealing.read.texts import Texts
from cihealing.store.projections import pinned_policy

FOLLOWERS = 100
EXECUTIONS = 200


def run(viewer: Viewer, run_id: UUID) -> RunDetail | None:
    """Everything about one run; None where there is none that this viewer may see."""
    row = visible(viewer).filter(id=run_id).first()
    if row is None:
        return None
    state = msgspec.json.decode(row.state, type=core.Run)
    texts = Texts()
    columns = {name: getattr(row, name) for name in COLUMNS}
    return RunDetail(
        **columns,
        job_id=job_ids([run_id]).get(run_id, ""),
        **_told(state),
        **_read(state, texts),
        **_tried(state, texts),
        **_reported(state, texts),
        **_around(viewer, row),
    )


COPIED = (
    "step",
    "command",
    "base_branch",
    "fork",
    "failed_at",
    "strong",
    "failed_tests",
    "log",
    "log_missing",
    "steps",
    "skipped",
    "notes",
    "late",
    "project_command",
    "project_workdir",
    "project_source",
    "project_reason",
    "reproduced",
    "not_reproduced",
    "unavailable",
    "head",
    "target",
    "blame_reason",
    "base_commit",
    "claimed_base",
    "approved_act",
    "publish_failures",
    "merged_commit",
    "abort_reason",
    "successor",
    "recurrences",
    "diagnosis",
    "ran_seconds",
    "running_since",
)


def _told(state: core.Run) -> dict[str, Any]:
    """What the folded state says by itself."""
    return {
        **{name: getattr(state, name) for name in COPIED},
        "state": state,
        "owner_source": state.owner.source if state.owner else "",
        "approved_by": state.approved_by.name if state.approved_by else "",
        "reruns": tuple(
            RerunRow(number=r.number, handle=r.handle, outcome=r.outcome) for r in state.reruns
        ),
        "observations": _seen(state.observations),
        "proof_hash": state.proof,
        "report_hash": state.report,
        "actions": review.actions(state),
        "act": review.act(state, pinned_policy(state.policy)),
        "asked": tuple(_asked(a) for a in state.asked),
        "cost_usd": state.cost_usd,
        "change_open": state.change_open,
        "change_checks": state.change_checks,
        "cluster_leader": state.cluster_leader,
    }


def _asked(a: core.Asked) -> AskedRow:
    return AskedRow(**{f.name: getattr(a, f.name) for f in fields(AskedRow)})


def _seen(items: Iterable[core.Seen]) -> tuple[Seen, ...]:
    return tuple(
        Seen(purpose=s.purpose.value, at=s.at, patched=bool(s.patch), seen=s.seen) for s in items
    )


def _read(state: core.Run, texts: Texts) -> dict[str, Any]:
    """What the log said: from the failure's artifact, else (it was purged) from the state."""
    failure = _failure(texts.text(state.failure))
    signs = state.signs or (failure.signs if failure else ())
    root = failure.root_line if failure else None
    cited = {s.line for s in signs} | _cited(state.diagnosis)
    return {
        "signs": signs,
        "root_line": root,
        "frames": failure.frames if failure else (),
        "secrets_masked": failure.secrets_masked if failure else 0,
        "excerpt": tuple(
            ExcerptLine(line=x.line, text=x.text, root=x.line == root, cited=x.line in cited)
            for x in (failure.excerpt if failure else ())
        ),
    }


def _failure(text: str) -> Failure | None:
    try:
        return msgspec.json.decode(text, type=Failure) if text else None
    except msgspec.DecodeError:
        return None


def _cited(diagnosis: Diagnosis | None) -> set[int]:
    return {s.line for h in diagnosis.hypotheses for s in h.signs} if diagnosis else set()


def _tried(state: core.Run, texts: Texts) -> dict[str, Any]:
    return {
        "attempts": tuple(_attempt(a, texts) for a in state.attempts),
        "past_attempts": tuple(_attempt(a, texts) for a in state.past_attempts),
        "candidate": _candidate(state.candidate, texts) if state.candidate else None,
        "patch": texts.text(state.patch),
        "proof": texts.data(state.proof),
    }


def _attempt(a: core.Attempt, texts: Texts) -> AttemptRow:
    copied = (
        "number",
        "generation",
        "diagnoser",
        "proposed_fix",
        "head",
        "needs_person",
        "objections",
        "failure_reason",
        "usage",
        "diagnosis",
        "started_at",
        "finished_at",
    )
    return AttemptRow(
        **{name: getattr(a, name) for name in copied},
        status=a.status.value,
        patch_hash=a.patch,
        patch=texts.text(a.patch),
        proof_hash=a.proof,
        proof=texts.data(a.proof),
        observations=_seen(a.observations),
    )


def _candidate(c: core.Candidate, texts: Texts) -> CandidateRow:
    return CandidateRow(
        fixer=c.fixer,
        told=c.told,
        patch_hash=c.patch,
        patch=texts.text(c.patch),
        objections=c.objections,
        screened=c.screened,
    )


def _reported(state: core.Run, texts: Texts) -> dict[str, Any]:
    data = texts.data(state.report)
    markdown = data.get("markdown", "") if isinstance(data, dict) else texts.text(state.report)
    return {"report": data, "report_markdown": markdown}


def _around(viewer: Viewer, row: models.Run) -> dict[str, Any]:
    """Other rows that belong to the run."""
    followers = (
        visible(viewer)
        .filter(attached_to=row.id)
        .order_by("created_at", "id")
        .values(*COLUMNS)[:FOLLOWERS]
    )
    return {
        "executions": _executions(row.id),
        "followers": with_jobs(list(followers)),
        "cluster_size": _cluster_size(row.id),
        "timeline": latest(row.id),
        "ignored": ignored(row.error_hash),
    }


def _cluster_size(run_id: UUID) -> int:
    """A count only: nothing of the others is shown, they may be of repositories this viewer does
    not see.
    """
    leads = models.ClusterClaim.objects.filter(run_id=run_id).exists()
    return 1 + models.Run.objects.filter(cluster_leader=run_id).count() if leads else 0


def _executions(run_id: UUID) -> tuple[ExecutionRow, ...]:
    names = tuple(f.name for f in fields(ExecutionRow))
    found = (
        models.Execution.objects.filter(run_id=run_id)
        .order_by("-at", "-id")
        .values(*names)[:EXECUTIONS]
    )
    return tuple(ExecutionRow(**v) for v in found)
