"""The only read side: every function takes the viewer, filters by what they may see in the database
itself, and returns frozen rows.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID

import msgspec
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThan, TupleLookupMixin
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from cihealing import models, store
from cihealing.clock import database_now
from cihealing.domain import events as e
from cihealing.domain import run as core
from cihealing.domain.policy import MERGING_FORGES
from cihealing.domain.values import Diagnosis, Failure, RunStatus
from cihealing.read.rows import (
    SERVICE_VIEWER,
    AskedRow,
    AttemptRow,
    Backlog,
    CandidateRow,
    DeliveryRow,
    ExcerptLine,
    ExecutionRow,
    GlobalEntry,
    IgnoredRow,
    Memory,
    RepositoryRow,
    RerunRow,
    RunDetail,
    RunPage,
    RunRow,
    Seen,
    Spend,
    Summary,
    TimelineEntry,
    Viewer,
)
from cihealing.store.projections import pinned_policy
from cihealing.wording.timeline import describe

__all__ = [
    "SERVICE_VIEWER",
    "AttemptRow",
    "Backlog",
    "BadPage",
    "BadQuery",
    "CandidateRow",
    "DeliveryRow",
    "ExcerptLine",
    "ExecutionRow",
    "GlobalEntry",
    "IgnoredRow",
    "Memory",
    "RepositoryRow",
    "RerunRow",
    "RunDetail",
    "RunPage",
    "RunRow",
    "Seen",
    "Spend",
    "Summary",
    "TimelineEntry",
    "Viewer",
    "artifact_text",
    "backlog",
    "delivery",
    "events_after",
    "global_cursor",
    "global_events_after",
    "ignored_fingerprints",
    "memory",
    "patch_text",
    "position",
    "report",
    "repositories",
    "run",
    "run_artifact",
    "run_row",
    "runs",
    "summary",
]

log = logging.getLogger(__name__)

DEEPEST = 10_000
"""Rows that counting and page numbers reach; further in, a cursor is needed."""
TIMELINE = 1_000
FOLLOWERS = 100
EXECUTIONS = 200
OTHERS = 50
SEARCH = 200
PROVEN = ("proven", "ci_proven")
COLUMNS = tuple(f.name for f in fields(RunRow) if f.name != "job_id")
SEARCHED = ("repository", "branch", "job", "error_type", "error_summary", "owner")


class BadQuery(ValueError):
    """What was asked for cannot be: the message says which parameter and why."""


class BadPage(BadQuery):
    """No such page; deeper than 10,000 rows only a cursor goes."""


def _visible(viewer: Viewer) -> QuerySet[models.Run]:
    return _within(models.Run.objects.all(), viewer, "repository")


def _within(rows: QuerySet[Any], viewer: Viewer, column: str) -> QuerySet[Any]:
    if viewer.unrestricted:
        return rows
    return (
        rows.filter(**{f"{column}__regex": viewer.pattern()})
        if viewer.repositories
        else rows.none()
    )


def _listed(viewer: Viewer) -> QuerySet[models.Run]:
    """Attached runs are hidden from lists and rates: the run they are attached to stands for
    them.
    """
    return _visible(viewer).filter(attached_to__isnull=True)


def runs(
    viewer: Viewer,
    *,
    page: int = 1,
    page_size: int = 25,
    status: str = "",
    repository: str = "",
    q: str = "",
    cursor: str = "",
) -> RunPage:
    """Runs, newest first. `status` may name several, by commas; `q` is looked for in names, hashes
    and summaries.

    Raises BadPage, BadQuery.
    """
    _check_page(page, page_size)
    found = _filtered(_listed(viewer), status=status, repository=repository, q=q)
    rest = _after(found, cursor) if cursor else found
    start = 0 if cursor else (page - 1) * page_size
    rows = list(rest.order_by("-created_at", "-id").values(*COLUMNS)[start : start + page_size + 1])
    total = found.order_by()[: DEEPEST + 1].count()
    more = len(rows) > page_size
    return RunPage(
        rows=_rows(rows[:page_size]),
        total=min(total, DEEPEST),
        total_capped=total > DEEPEST,
        page=page,
        page_size=page_size,
        next_cursor=_cursor(rows[page_size - 1]) if more else None,
    )


def _check_page(page: int, page_size: int) -> None:
    if page < 1 or page_size < 1:
        raise BadPage("page and pageSize begin at 1")
    if page * page_size > DEEPEST:
        raise BadPage(f"page*pageSize may be at most {DEEPEST:,}: go on with nextCursor as cursor")


def _filtered(
    rows: QuerySet[models.Run], *, status: str, repository: str, q: str
) -> QuerySet[models.Run]:
    _check_text(status=status, repository=repository, q=q)
    if status:
        rows = rows.filter(status__in=_statuses(status))
    if repository:
        rows = rows.filter(repository=repository)
    return rows.filter(_mentions(q.strip())) if q.strip() else rows


def _check_text(**texts: str) -> None:
    for name, text in texts.items():
        if "\0" in text or not _encodable(text):
            raise BadQuery(f"{name} holds a character that no text has")
    if len(texts["q"]) > SEARCH:
        raise BadQuery(f"q may have at most {SEARCH} characters")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _statuses(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in RunStatus.__members__.values()]
    if unknown:
        raise BadQuery(f"status {unknown[0][:40]!r} is none of {', '.join(RunStatus)}")
    return names


def _mentions(q: str) -> Q:
    told = Q(commit__startswith=q.lower()) | Q(error_hash__startswith=q.lower())
    for column in SEARCHED:
        told |= Q(**{f"{column}__icontains": q})
    return told


class _RowLessThan(TupleLessThan):
    """Django writes this out as OR and AND on SQLite, which has compared rows since 3.15 and then
    uses the index.
    """

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        return super(TupleLookupMixin, self).as_sql(compiler, connection)


def _after(rows: QuerySet[models.Run], cursor: str) -> QuerySet[models.Run]:
    return rows.filter(_RowLessThan((F("created_at"), F("id")), _position(cursor)))


def _cursor(row: Mapping[str, Any]) -> str:
    return (
        base64.urlsafe_b64encode(f"{row['created_at'].isoformat()} {row['id']}".encode())
        .decode()
        .rstrip("=")
    )


def _position(cursor: str) -> tuple[datetime, UUID]:
    try:
        text = base64.b64decode(cursor.encode("ascii") + b"==", altchars=b"-_").decode("ascii")
        at, _, run_id = text.partition(" ")
        return _aware(datetime.fromisoformat(at)), UUID(run_id)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise BadQuery("cursor is none that this service gave out") from error


def _aware(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError("naive time")
    return when.astimezone(UTC)


def _rows(values: Sequence[Mapping[str, Any]]) -> tuple[RunRow, ...]:
    jobs = _job_ids([v["id"] for v in values])
    return tuple(RunRow(job_id=jobs.get(v["id"], ""), **v) for v in values)


class _JobId(msgspec.Struct, rename="camel"):
    job_id: str = ""


def _job_ids(ids: Sequence[UUID]) -> dict[UUID, str]:
    """The job each run was begun for, as its first fact says."""
    firsts = models.StoredEvent.objects.filter(stream__in=ids, version=1).values_list(
        "stream", "data"
    )
    return {stream: msgspec.json.decode(data, type=_JobId).job_id for stream, data in firsts}


def run_row(viewer: Viewer, run_id: UUID) -> RunRow | None:
    """The run as a list shows it, attached or not."""
    found = _rows(list(_visible(viewer).filter(id=run_id).values(*COLUMNS)))
    return found[0] if found else None


def run(viewer: Viewer, run_id: UUID) -> RunDetail | None:
    """Everything about one run; None where there is none that this viewer may see."""
    row = _visible(viewer).filter(id=run_id).first()
    if row is None:
        return None
    state = msgspec.json.decode(row.state, type=core.Run)
    texts = _Texts()
    columns = {name: getattr(row, name) for name in COLUMNS}
    return RunDetail(
        **columns,
        job_id=_job_ids([run_id]).get(run_id, ""),
        **_told(state),
        **_read(state, texts),
        **_tried(state, texts),
        **_reported(state, texts),
        **_around(viewer, row),
    )


class _Texts:
    """Artifacts by digest, each fetched once."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def text(self, digest: str) -> str:
        if digest and digest not in self.known:
            self.known[digest] = artifact_text(digest) or ""
        return self.known.get(digest, "")

    def data(self, digest: str) -> Any:
        try:
            return json.loads(self.text(digest)) if self.text(digest) else None
        except ValueError:
            return None


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
        "owner_source": state.owner.source if state.owner else "",
        "approved_by": state.approved_by.name if state.approved_by else "",
        "reruns": tuple(
            RerunRow(number=r.number, handle=r.handle, outcome=r.outcome) for r in state.reruns
        ),
        "observations": _seen(state.observations),
        "proof_hash": state.proof,
        "report_hash": state.report,
        "actions": _actions(state),
        "act": _act(state),
        "asked": tuple(_asked(a) for a in state.asked),
        "cost_usd": state.cost_usd,
        "change_open": state.change_open,
        "change_checks": state.change_checks,
        "cluster_leader": state.cluster_leader,
    }


def _act(state: core.Run) -> str:
    """Where nothing can be open (a local repository) publishing merges at once, and the page says
    merge.
    """
    if state.status is not RunStatus.FIXED or state.approved_by:
        return ""
    merges = (
        state.change_open
        or pinned_policy(state.policy).repository(state.repository).forge in MERGING_FORGES
    )
    return "merge" if merges else "publish"


def _asked(a: core.Asked) -> AskedRow:
    return AskedRow(**{f.name: getattr(a, f.name) for f in fields(AskedRow)})


def _actions(state: core.Run) -> tuple[str, ...]:
    reviewable = state.status is RunStatus.FIXED and state.approved_by is None
    allowed = {
        "approve": reviewable,
        "deny": reviewable,
        "human-fix": state.status is RunStatus.ESCALATED,
        "retry": state.status is RunStatus.ESCALATED or state.status.ended,
        "abort": state.open,
    }
    return tuple(name for name, may in allowed.items() if may)


def _seen(items: Iterable[core.Seen]) -> tuple[Seen, ...]:
    return tuple(
        Seen(purpose=s.purpose.value, at=s.at, patched=bool(s.patch), seen=s.seen) for s in items
    )


def _read(state: core.Run, texts: _Texts) -> dict[str, Any]:
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


def _tried(state: core.Run, texts: _Texts) -> dict[str, Any]:
    return {
        "attempts": tuple(_attempt(a, texts) for a in state.attempts),
        "past_attempts": tuple(_attempt(a, texts) for a in state.past_attempts),
        "candidate": _candidate(state.candidate, texts) if state.candidate else None,
        "patch": texts.text(state.patch),
        "proof": texts.data(state.proof),
    }


def _attempt(a: core.Attempt, texts: _Texts) -> AttemptRow:
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


def _candidate(c: core.Candidate, texts: _Texts) -> CandidateRow:
    return CandidateRow(
        fixer=c.fixer,
        told=c.told,
        patch_hash=c.patch,
        patch=texts.text(c.patch),
        objections=c.objections,
        screened=c.screened,
    )


def _reported(state: core.Run, texts: _Texts) -> dict[str, Any]:
    data = texts.data(state.report)
    markdown = data.get("markdown", "") if isinstance(data, dict) else texts.text(state.report)
    return {"report": data, "report_markdown": markdown}


def _around(viewer: Viewer, row: models.Run) -> dict[str, Any]:
    """Other rows that belong to the run."""
    followers = (
        _visible(viewer)
        .filter(attached_to=row.id)
        .order_by("created_at", "id")
        .values(*COLUMNS)[:FOLLOWERS]
    )
    return {
        "executions": _executions(row.id),
        "followers": _rows(list(followers)),
        "cluster_size": _cluster_size(row.id),
        "timeline": _latest(row.id),
        "ignored": _ignored(row.error_hash),
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


def _ignored(error_hash: str) -> IgnoredRow | None:
    found = (
        models.IgnoredFingerprint.objects.filter(error_hash=error_hash)
        .values("error_hash", "reason", "actor", "at")
        .first()
    )
    return IgnoredRow(**found) if found else None


def run_artifact(viewer: Viewer, run_id: UUID, digest: str) -> str | None:
    """Text of an artifact this run names (its log, a run's output, a patch); None where it is not
    this run's to show, or purged.
    """
    if len(digest) != 64 or not digest.isalnum():
        return None
    state = _visible(viewer).filter(id=run_id).values_list("state", flat=True).first()
    named = state is not None and f'"{digest}"' in state
    return artifact_text(digest) if named or _execution_log(viewer, run_id, digest) else None


def _execution_log(viewer: Viewer, run_id: UUID, digest: str) -> bool:
    return _within(
        models.Execution.objects.filter(run_id=run_id, log=digest), viewer, "repository"
    ).exists()


def patch_text(viewer: Viewer, run_id: UUID) -> str | None:
    """The proven patch of a run, else the latest attempt's; None where there is no run, empty where
    there is no patch.
    """
    state = _visible(viewer).filter(id=run_id).values_list("state", flat=True).first()
    if state is None:
        return None
    decoded = msgspec.json.decode(state, type=core.Run)
    digest = decoded.patch or (decoded.attempt.patch if decoded.attempt else "")
    return (artifact_text(digest) or "") if digest else ""


def report(viewer: Viewer, run_id: UUID) -> tuple[Any, str] | None:
    """The incident report as data and as Markdown; None where there is none."""
    digest = _visible(viewer).filter(id=run_id).values_list("report", flat=True).first()
    if not digest:
        return None
    texts = _Texts()
    data = texts.data(digest)
    return data, data.get("markdown", "") if isinstance(data, dict) else texts.text(digest)


def memory(viewer: Viewer, run_id: UUID) -> Memory | None:
    """What other runs with this fingerprint came to; None where the viewer sees no such run."""
    row = _visible(viewer).filter(id=run_id).values_list("error_hash", "state").first()
    if row is None:
        return None
    same = _listed(viewer).filter(error_hash=row[0]).exclude(id=run_id)
    ended: Counter[str] = Counter()
    for status, how, n in (
        same.order_by().values_list("status", "resolution").annotate(n=Count("id"))
    ):
        ended[how or status] += n
    return Memory(
        error_hash=row[0],
        ignored=_ignored(row[0]),
        others=_rows(list(same.order_by("-created_at", "-id").values(*COLUMNS)[:OTHERS])),
        ended=dict(ended),
        recurrences=msgspec.json.decode(row[1], type=core.Run).recurrences,
    )


def artifact_text(digest: str) -> str | None:
    """Content of an artifact; None where it was purged, never stored or damaged.

    Asks no viewer: callers got the digest from a row they may see.
    """
    try:
        content = store.artifact_bytes(digest)
    except (ValueError, zlib.error):
        log.exception("artifact %s is damaged: run `cihealing audit verify`", digest)
        return None
    return None if content is None else content.decode("utf-8", "replace")


def _latest(run_id: UUID) -> tuple[TimelineEntry, ...]:
    """The latest facts of a run, oldest first; a run that recurs for months has more than a page
    can show.
    """
    newest = models.StoredEvent.objects.filter(stream=run_id).order_by("-version")[:TIMELINE]
    return tuple(_entry(stored) for stored in reversed(newest))


def events_after(
    viewer: Viewer, run_id: UUID, version: int, *, limit: int = TIMELINE
) -> tuple[TimelineEntry, ...]:
    """Facts of one run above `version`, in order."""
    if not _visible(viewer).filter(id=run_id).exists():
        return ()
    found = models.StoredEvent.objects.filter(stream=run_id, version__gt=version).order_by(
        "version"
    )[:limit]
    return tuple(_entry(stored) for stored in found)


def _entry(stored: models.StoredEvent) -> TimelineEntry:
    try:
        envelope = store.decode(stored.tag, stored.data)
    except store.UnknownEvent:
        return _unknown(stored)
    return TimelineEntry(
        version=stored.version,
        at=envelope.at,
        actor=envelope.actor.name,
        actor_kind=envelope.actor.kind,
        source=envelope.source,
        tag=stored.tag,
        text=describe(envelope.event),
        data=_plain(envelope.event),
    )


def _unknown(stored: models.StoredEvent) -> TimelineEntry:
    """A fact of a newer release: shown by its name."""
    return TimelineEntry(
        version=stored.version,
        at=stored.at,
        actor="",
        actor_kind="service",
        source="",
        tag=stored.tag,
        text=stored.tag,
    )


def _plain(event: e.AnyEvent) -> dict[str, Any]:
    built = msgspec.to_builtins(event)
    return {key: value for key, value in built.items() if key != "tag"}


def global_cursor() -> str:
    """Where a listener that wants only what comes next begins."""
    last = (
        _committed().order_by("-tx", "-id").values_list("tx", "id").first()
        if store.is_postgresql()
        else _last_id()
    )
    return _position_text(*(last or (0, 0)))


def _last_id() -> tuple[int, int] | None:
    last = models.StoredEvent.objects.order_by("-id").values_list("id", flat=True).first()
    return (0, last) if last is not None else None


def global_events_after(
    viewer: Viewer, cursor: str, *, limit: int = 500
) -> tuple[GlobalEntry, ...]:
    """Facts of any run the viewer sees, after `cursor`, in order. Raises BadQuery.

    A transaction may commit after one that took a later id. So on PostgreSQL nothing of a
    transaction as young as the oldest open one is read, and the order is (transaction, id): what is
    skipped now comes later, never behind the cursor. SQLite has one writer.
    """
    rows = _beyond(_committed(), position(cursor)).filter(run_id__isnull=False, stream=F("run_id"))
    if not viewer.unrestricted:
        rows = rows.filter(run_id__in=_visible(viewer).values("id"))
    found = list(rows[:limit])
    known = _states([stored.stream for stored in found])
    return tuple(
        _global(stored, known[stored.stream]) for stored in found if stored.stream in known
    )


def _committed() -> QuerySet[models.StoredEvent]:
    rows = models.StoredEvent.objects.all()
    return (
        rows.extra(where=["tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"])
        if store.is_postgresql()
        else rows
    )


def _beyond(
    rows: QuerySet[models.StoredEvent], position: tuple[int, int]
) -> QuerySet[models.StoredEvent]:
    if store.is_postgresql():
        return rows.filter(TupleGreaterThan((F("tx"), F("id")), position)).order_by("tx", "id")
    return rows.filter(id__gt=position[1]).order_by("id")


def _position_text(tx: int | None, event_id: int) -> str:
    return f"{tx or 0}.{event_id}"


def position(cursor: str) -> tuple[int, int]:
    """Where in the order of all facts a cursor stands. Raises BadQuery."""
    tx, dot, event_id = cursor.partition(".")
    if not dot or not all(
        part.isascii() and part.isdigit() and len(part) < 19 for part in (tx, event_id)
    ):
        raise BadQuery("cursor is none that this service gave out")
    return int(tx), int(event_id)


def _states(ids: Iterable[UUID]) -> Mapping[UUID, Mapping[str, Any]]:
    rows = models.Run.objects.filter(id__in=set(ids)).values(
        "id", "repository", "status", "stage", "attached_to"
    )
    return {row["id"]: dict(row) for row in rows}


def _global(stored: models.StoredEvent, row: Mapping[str, Any]) -> GlobalEntry:
    return GlobalEntry(
        cursor=_position_text(stored.tx, stored.pk),
        run_id=stored.stream,
        repository=row["repository"],
        status=row["status"],
        stage=row["stage"],
        attached=row["attached_to"] is not None,
        entry=_entry(stored),
    )


def summary(viewer: Viewer, *, now: datetime | None = None) -> Summary:
    """Counts over the runs the viewer sees, attached ones left out. `now` ends the last 24
    hours.
    """
    kinds = _listed(viewer).order_by().values("status", "failure_class", "evidence", "resolution")
    rows = list(kinds.annotate(n=Count("id"), tries=Sum("attempt_count")))
    since = (now or timezone.now()) - timedelta(days=1)
    day = (
        _listed(viewer)
        .filter(created_at__gte=since)
        .order_by()
        .values("status")
        .annotate(n=Count("id"))
    )
    by_status = _count(rows, "status")
    return Summary(
        total=sum(by_status.values()),
        by_status={status.value: by_status.get(status, 0) for status in RunStatus},
        by_class=_count(rows, "failure_class"),
        by_resolution=_count([r for r in rows if r["resolution"]], "resolution"),
        proven=sum(r["n"] for r in rows if r["evidence"] in PROVEN),
        escalated=by_status.get("escalated", 0),
        flakes=sum(r["n"] for r in rows if r["resolution"] == "flake"),
        attempts=sum(r["tries"] for r in rows),
        median_seconds_to_fixed=_median_to_fixed(viewer),
        last_day=_count(day, "status"),
        spend=spend(viewer, now=now),
    )


def spend(viewer: Viewer, *, now: datetime | None = None) -> Spend:
    """Money for models, over the repositories the viewer sees."""
    rows = _within(models.Spend.objects.all(), viewer, "repository")
    days = dict(rows.values_list("day").annotate(usd=Sum("usd")).order_by("-day")[:14])
    each = dict(rows.values_list("repository").annotate(usd=Sum("usd")).order_by("-usd")[:50])
    total = float(rows.aggregate(usd=Sum("usd"))["usd"] or 0)
    merged = _listed(viewer).filter(resolution="merged", cost_usd__gt=0).count()
    today = (now or timezone.now()).date().isoformat()
    return Spend(
        today=days.get(today, 0.0),
        by_day=days,
        by_repository=each,
        total=total,
        calls=rows.exclude(settled="unanswered").count(),
        accepted=merged,
        per_accepted_fix=total / merged if merged else None,
    )


def _count(rows: Iterable[Mapping[str, Any]], key: str) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for row in rows:
        counted[row[key]] += row["n"]
    return dict(counted.most_common())


class _Finished(msgspec.Struct):
    finished_at: datetime | None = None


def _median_to_fixed(viewer: Viewer) -> float | None:
    """From a run's beginning to its proof, over the latest 1,000 first generations that came to
    one.
    """
    proven = _within(
        models.Attempt.objects.filter(status="succeeded", generation=1), viewer, "run__repository"
    )
    latest = (
        proven.filter(run__attached_to__isnull=True)
        .order_by("-run__created_at")
        .values_list("run__created_at", "body")[:1000]
    )
    ends = (
        (begun, msgspec.json.decode(body, type=_Finished).finished_at) for begun, body in latest
    )
    took = [(end - begun).total_seconds() for begun, end in ends if end]
    return median(took) if took else None


def repositories(viewer: Viewer) -> tuple[RepositoryRow, ...]:
    """One row a repository, the latest run's first."""
    good = Count("id", filter=Q(evidence__in=PROVEN))
    kinds = _listed(viewer).order_by().values("repository", "status")
    rows = kinds.annotate(
        n=Count("id"), tries=Sum("attempt_count"), last=Max("created_at"), good=good
    )
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["repository"], []).append(row)
    made = (_repository(name, group) for name, group in grouped.items())
    return tuple(sorted(made, key=lambda r: r.last_run_at, reverse=True))


def _repository(name: str, group: Sequence[Mapping[str, Any]]) -> RepositoryRow:
    by_status = _count(group, "status")
    total = sum(by_status.values())
    return RepositoryRow(
        repository=name,
        total=total,
        open=total - by_status.get("resolved", 0) - by_status.get("aborted", 0),
        by_status=by_status,
        proven=sum(r["good"] for r in group),
        attempts=sum(r["tries"] for r in group),
        last_run_at=max(r["last"] for r in group),
    )


# backlog


class _Outcome(msgspec.Struct, rename="camel"):
    run_id: UUID | None = None
    ignored: str | None = None


def delivery(viewer: Viewer, delivery_id: UUID) -> DeliveryRow | None:
    """What became of a delivery. Seen by who sees one of its results; one without results only by
    who sees everything.
    """
    row = models.Delivery.objects.filter(id=delivery_id).first()
    if row is None or not _sees_delivery(viewer, row):
        return None
    outcomes = msgspec.json.decode(row.outcomes or "[]", type=list[_Outcome])
    ids = [o.run_id for o in outcomes if o.run_id]
    seen = set(_visible(viewer).filter(id__in=ids).values_list("id", flat=True))
    return DeliveryRow(
        id=row.id,
        provider=row.provider,
        status=row.status,
        received_at=row.received_at,
        run_ids=tuple(i for i in dict.fromkeys(ids) if i in seen),
        ignored=tuple(o.ignored for o in outcomes if o.ignored),
    )


def _sees_delivery(viewer: Viewer, row: models.Delivery) -> bool:
    return viewer.unrestricted or _within(row.executions.all(), viewer, "repository").exists()


def ignored_fingerprints(viewer: Viewer) -> tuple[IgnoredRow, ...]:
    """Silenced failures, latest first: of runs the viewer sees, all of them for who sees
    everything.
    """
    rows = models.IgnoredFingerprint.objects.order_by("-at")
    if not viewer.unrestricted:
        rows = rows.filter(error_hash__in=_visible(viewer).values("error_hash"))
    return tuple(IgnoredRow(**v) for v in rows.values("error_hash", "reason", "actor", "at")[:1000])


def backlog(*, now: datetime | None = None) -> Backlog:
    """How much waits: for health checks and metrics, so it names no repository."""
    at = now or database_now()
    pending = models.Outbox.objects.filter(state="pending")
    due = pending.filter(not_before__lte=at)
    oldest = due.order_by("not_before").values_list("not_before", flat=True).first()
    return Backlog(
        pending=pending.count(),
        due=due.count(),
        oldest_due_seconds=(at - oldest).total_seconds() if oldest else 0.0,
        gave_up=models.Outbox.objects.filter(state="gave_up").count(),
        reading=models.Delivery.objects.filter(status="reading").count(),
        deliveries=models.Delivery.objects.count(),
    )
