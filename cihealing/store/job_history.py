"""What the service was told of a job before, and artifacts outside a write: the database behind two
ports.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

from django.db.models import Q, Sum

from cihealing import store
from cihealing.domain.values import Digest, ExecutionRef
from cihealing.models import Execution, Run
from cihealing.ports import Affected, Green, PastFix, Red


class JobHistory:
    """`ports.History` over the stored executions."""

    def last_green(
        self, repository: str, job: str, branch: str, *, before: datetime, definition: str = ""
    ) -> Green | None:
        rows = Execution.objects.filter(
            repository=repository,
            job=job,
            branch=branch,
            outcome="passed",
            at__lt=before,
            fork=False,
            definition=definition,
        )
        return _green_from(rows.order_by("-at").first())

    def first_red(self, repository: str, job: str, error_hash: str) -> Red | None:
        runs = Run.objects.filter(
            repository=repository, job=job, error_hash=error_hash
        ).values_list("id", flat=True)
        return _green_from(
            Execution.objects.filter(run_id__in=list(runs), outcome="failed").order_by("at").first()
        )

    def similar_fixes(
        self, repository: str, *, error_hash: str, error_type: str, limit: int = 2
    ) -> list[PastFix]:
        healed = Run.objects.filter(repository=repository, status="resolved")
        like = healed.filter(
            Q(error_hash=error_hash) | Q(error_type=error_type) & ~Q(error_type="")
        ).order_by("-updated_at")[:50]
        ranked = sorted(like, key=lambda run: run.error_hash != error_hash)
        found = ((run.error_summary, _patch_of(run)) for run in ranked)
        return list(
            islice(
                (PastFix(summary=summary, patch=patch) for summary, patch in found if patch), limit
            )
        )

    def refused_patches(self, repository: str, error_hash: str) -> set[Digest]:
        rows = Run.objects.filter(repository=repository, error_hash=error_hash).values_list(
            "state", flat=True
        )
        return {patch for state in rows for patch in json.loads(state).get("refused_patches", ())}

    def affected(self, run_id: UUID) -> Affected:
        run = Run.objects.filter(id=run_id).first()
        if run is None:
            return Affected()
        same = Run.objects.filter(repository=run.repository, error_hash=run.error_hash)
        branches = sorted(set(same.values_list("branch", flat=True)[:1000]))
        leader = run.cluster_leader or run.id
        waiting = Run.objects.filter(attached_to=run.id).count()
        cluster = Run.objects.filter(cluster_leader=leader).exclude(id=run.id).count()
        return Affected(
            runs=same.count(), branches=tuple(branches[:20]), waiting=waiting, cluster=cluster
        )

    def parent_of(self, execution: ExecutionRef) -> str:
        same = Execution.objects.filter(
            provider=execution.provider, host=execution.host, job_run_id=execution.job_run_id
        )
        return (
            same.filter(attempt=execution.attempt).values_list("parent_id", flat=True).first() or ""
        )

    def reruns(self, repository: str, commit: str, job: str) -> int:
        rows = Run.objects.filter(repository=repository, commit=commit, job=job)
        return int(rows.aggregate(asked=Sum("reruns"))["asked"] or 0)


def _patch_of(run: Run) -> str:
    """The text of what healed a run: the merged patch, or a person's fix that was shown to heal
    it.
    """
    state = json.loads(run.state)
    digest = state.get("human_fix") or (run.patch_hash if run.resolution == "merged" else "")
    raw = store.artifact_bytes(digest) if digest else None
    return raw.decode("utf-8", "replace") if raw else ""


def _green_from(row: Execution | None) -> Green | None:
    return Green(commit=row.commit, url=row.pipeline_url, at=row.at) if row else None


class StoredArtifacts:
    """`ports.Artifacts` over the artifact table."""

    def put(self, content: bytes | str, *, kind: str) -> Digest:
        return store.put(content, kind=kind, now=datetime.now(UTC))

    def text(self, digest: Digest) -> str:
        return self._bytes(digest).decode("utf-8", "replace")

    def patch(self, digest: Digest) -> str:
        return self._bytes(digest).decode("utf-8", "surrogateescape")

    def _bytes(self, digest: Digest) -> bytes:
        raw = store.artifact_bytes(digest)
        if raw is None:
            raise KeyError(f"artifact {digest} was purged or never stored")
        return raw
