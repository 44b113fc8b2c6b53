"""What the service was told of a job before, and artifacts outside a write: the database behind two ports."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db.models import Sum

from cihealing import store
from cihealing.domain.values import Digest
from cihealing.models import Execution, Run
from cihealing.ports import Green, Red


class JobHistory:
    """`ports.History` over the stored executions."""

    def last_green(self, repository: str, job: str, branch: str, *, before: datetime) -> Green | None:
        rows = Execution.objects.filter(repository=repository, job=job, branch=branch, outcome="passed", at__lt=before)
        return _told(rows.order_by("-at").first())

    def first_red(self, repository: str, job: str, error_hash: str) -> Red | None:
        runs = Run.objects.filter(repository=repository, job=job, error_hash=error_hash).values_list("id", flat=True)
        return _told(Execution.objects.filter(run_id__in=list(runs), outcome="failed").order_by("at").first())

    def reruns(self, repository: str, commit: str, job: str) -> int:
        rows = Run.objects.filter(repository=repository, commit=commit, job=job)
        return int(rows.aggregate(asked=Sum("reruns"))["asked"] or 0)


def _told(row: Execution | None) -> Green | None:
    return Green(commit=row.commit, url=row.pipeline_url, at=row.at) if row else None


class StoredArtifacts:
    """`ports.Artifacts` over the artifact table."""

    def put(self, content: bytes | str, *, kind: str) -> Digest:
        return store.put(content, kind=kind, now=datetime.now(UTC))

    def text(self, digest: Digest) -> str:
        raw = store.artifact_bytes(digest)
        if raw is None:
            raise KeyError(f"artifact {digest} was purged or never stored")
        return raw.decode("utf-8", "replace")
