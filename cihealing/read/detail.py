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
    AttemptRow,
    CandidateRow,
    ExcerptLine,
    ExecutionRow,
    RunDetail,
    SeenRow,
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
    state = core.from_json(row.state)
    texts = Texts()
    columns = {name: getattr(row, name) for name in COLUMNS}
    return RunDetail(
        **columns,
        job_id=job_ids([run_id]).get(run_id, ""),
        **_from_state(state),
        **_read(state, texts),
        **_tried(state, texts),
        **_reported(state, texts),
        **_around(viewer, row),
    )


def _from_state(state: core.RunState) -> dict[str, Any]:
    """What the folded state says by itself, as people read it."""
    return {
        "state": state,
        "owner_source": state.blame.owner.source if state.blame.owner else "",
        "approved_by": state.review.approved_by.name if state.review.approved_by else "",
        "observations": _seen(state.local.observations),
        "proof_hash": state.review.proof,
        "report_hash": state.end.report,
        "actions": review.actions(state),
        "act": review.act(state, pinned_policy(state.policy)),
        "cost_usd": state.models.cost_usd,
    }


def _seen(items: Iterable[core.Seen]) -> tuple[SeenRow, ...]:
    return tuple(
        SeenRow(purpose=s.purpose.value, at=s.at, patched=bool(s.patch), seen=s.seen) for s in items
    )


def _read(state: core.RunState, texts: Texts) -> dict[str, Any]:
    """What the log said: from the failure's artifact, else (it was purged) from the state."""
    failure = _failure(texts.text(state.failure.artifact))
    signs = state.diagnosis.signs or (failure.signs if failure else ())
    root = failure.root_line if failure else None
    cited = {s.line for s in signs} | _cited(state.diagnosis.believed)
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


def _tried(state: core.RunState, texts: Texts) -> dict[str, Any]:
    return {
        "attempts": tuple(_attempt(a, texts) for a in state.attempts),
        "past_attempts": tuple(_attempt(a, texts) for a in state.past_attempts),
        "candidate": _candidate(state.patches.candidate, texts)
        if state.patches.candidate
        else None,
        "patch": texts.text(state.review.patch),
        "proof": texts.data(state.review.proof),
    }


def _attempt(a: core.AttemptState, texts: Texts) -> AttemptRow:
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


def _reported(state: core.RunState, texts: Texts) -> dict[str, Any]:
    data = texts.data(state.end.report)
    markdown = data.get("markdown", "") if isinstance(data, dict) else texts.text(state.end.report)
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
