"""Rows from facts. A row is a pure function of the folded state, so `rebuild` can only write the
same rows again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from django.db.models import Exists, OuterRef, Q

from cihealing import store
from cihealing.domain import events as e
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState, flat, flat_hints, to_json
from cihealing.domain.values import AttemptStatus, Digest, Failed, Ignored, Passed, RunStatus
from cihealing.models import Artifact, Attempt, BaseClaim, ClusterClaim, Delivery, Execution, Run
from cihealing.store import rows

ENDED = (RunStatus.RESOLVED, RunStatus.ABORTED)
EPOCH = datetime.fromtimestamp(0, UTC)
_encoder = msgspec.json.Encoder(order="deterministic")


def run_row(run: RunState, *, max_attempts: int) -> Run:
    """The read row of a run, unsaved. `max_attempts` comes from the policy the run pins."""
    return Run(
        **{name: value for name, value in flat(run) if name in ALIKE},
        error_type=run.failure.error_type[:200],
        error_summary=run.failure.summary[:400],
        blame=run.blame.verdict or "",
        owner=run.blame.owner.name[:300] if run.blame.owner else "",
        attempt_count=len(run.attempts),
        max_attempts=max_attempts,
        escalation_reason=run.end.escalation_reason[:1000],
        cost_usd=run.models.cost_usd,
        seconds_to_proof=_seconds_to_proof(run),
        patch_hash=run.review.patch,
        awaiting_rerun=run.open and run.awaited_rerun is not None,
        reruns=len(run.reruns),
        created_at=run.created_at or EPOCH,
        updated_at=run.updated_at or EPOCH,
        state=to_json(run),
    )


OTHERWISE = (
    "error_type",
    "blame",
    "owner",
    "escalation_reason",
    "reruns",
    "created_at",
    "updated_at",
)
"""Columns that do not hold what the state calls by their name as it is."""
ALIKE = {f.name for f in Run._meta.concrete_fields} & flat_hints().keys() - set(OTHERWISE)


def _seconds_to_proof(run: RunState) -> float | None:
    """Of the first generation, where it came to a proof."""
    ends = (
        attempt.finished_at
        for attempt in (*run.past_attempts, *run.attempts)
        if attempt.generation == 1 and attempt.status is AttemptStatus.SUCCEEDED
    )
    end = next(ends, None)
    return (end - run.created_at).total_seconds() if end and run.created_at else None


def attempt_rows(run: RunState) -> Iterator[Attempt]:
    for attempt in (*run.past_attempts, *run.attempts):
        body = _encoder.encode(attempt).decode()
        yield Attempt(
            run_id=run.id,
            generation=attempt.generation,
            number=attempt.number,
            status=attempt.status,
            body=body,
        )


RUN_FIELDS = [f.name for f in Run._meta.concrete_fields if f.name != "id"]


def begin_run(run: RunState, *, max_attempts: int) -> None:
    """The row of a run that begins: there is none of it yet, and it has no attempts and no
    claims.
    """
    assert run.version == 1
    rows.insert([run_row(run, max_attempts=max_attempts)])


def project_run(run: RunState, *, max_attempts: int) -> None:
    """Write the rows of a run as they follow from its state. Raises IntegrityError where another
    run holds the base claim.
    """
    Run.objects.bulk_create(
        [run_row(run, max_attempts=max_attempts)],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=RUN_FIELDS,
    )
    Attempt.objects.bulk_create(
        attempt_rows(run),
        update_conflicts=True,
        unique_fields=["run", "generation", "number"],
        update_fields=["status", "body"],
    )
    _project_claim(run)
    _project_cluster(run)


def _project_claim(run: RunState) -> None:
    held = BaseClaim.objects.filter(run_id=run.id)
    if not (run.blame.claimed_base and run.open):
        held.delete()
    elif not held.update(error_hash=run.failure.error_hash):
        BaseClaim.objects.create(
            repository=run.failure.repository,
            branch=run.blame.claimed_base,
            error_hash=run.failure.error_hash,
            run_id=run.id,
        )


def _project_cluster(run: RunState) -> None:
    """Raises IntegrityError where two open one at once."""
    held = ClusterClaim.objects.filter(run_id=run.id)
    if not (run.cluster.leads and run.open):
        held.delete()
    elif not held.update(error_hash=run.failure.error_hash):
        ClusterClaim.objects.create(
            error_hash=run.failure.error_hash, run_id=run.id, opened_at=run.created_at or EPOCH
        )


def cluster(error_hash: str) -> tuple[UUID, datetime] | None:
    """(who stands for this failure of the machines, since when); None where nobody does."""
    return (
        ClusterClaim.objects.filter(error_hash=error_hash)
        .values_list("run_id", "opened_at")
        .first()
    )


def left_behind(leader: UUID | None = None) -> list[tuple[UUID, UUID]]:
    """(run, its leader) for each attached run that goes on though its leader stopped; of one
    leader, or of all.
    """
    leaders = Run.objects.filter(id=OuterRef("attached_to"))
    behind = Q(Exists(leaders.filter(status__in=ENDED))) | Q(
        Exists(leaders.filter(status=RunStatus.ESCALATED)), status=RunStatus.RUNNING
    )
    attached = (
        Run.objects.filter(attached_to__isnull=False)
        if leader is None
        else Run.objects.filter(attached_to=leader)
    )
    rows = (
        attached.exclude(status__in=ENDED)
        .filter(behind)
        .order_by("created_at")
        .values_list("id", "attached_to")
    )
    return [(run_id, led_by) for run_id, led_by in rows if led_by]


def project_delivery(delivery_id: UUID, envelopes: Sequence[e.Envelope]) -> None:
    """Write the rows of a delivery and of the executions it was the first to tell of."""
    first = envelopes[0]
    if not isinstance(first.event, e.DeliveryReceived):
        return
    judged = outcomes(envelopes)
    Delivery.objects.bulk_create(
        [delivery_row(delivery_id, envelopes, judged)],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["version", "status", "outcomes"],
    )
    _project_executions(delivery_id, envelopes, judged)


def delivery_row(
    delivery_id: UUID, envelopes: Sequence[e.Envelope], judged: Sequence[e.ResultJudged | None]
) -> Delivery:
    """The row of a delivery, unsaved."""
    first = envelopes[0]
    assert isinstance(first.event, e.DeliveryReceived)
    done = all(o is not None for o in judged)
    return Delivery(
        id=delivery_id,
        hook=first.event.hook,
        key=first.event.key,
        provider=first.event.provider,
        received_at=first.at,
        version=len(envelopes),
        status="done" if done else "reading",
        outcomes=msgspec.json.encode([_outcome(o) for o in judged]).decode(),
    )


def results(envelopes: Sequence[e.Envelope]) -> list[tuple[Failed | Passed | Ignored, str]]:
    """(result, log artifact) of a delivery, those a coarse one expanded to appended."""
    found: list[tuple[Failed | Passed | Ignored, str]] = []
    for envelope in envelopes:
        match envelope.event:
            case e.DeliveryReceived(results=received, logs=logs):
                found += zip(received, logs, strict=True)
            case e.ResultExpanded(results=more):
                found += [(r, "") for r in more]
            case _:
                pass
    return found


def outcomes(envelopes: Sequence[e.Envelope]) -> list[e.ResultJudged | None]:
    """What became of each result; None where it is still being read."""
    judged: list[e.ResultJudged | None] = [None] * len(results(envelopes))
    for envelope in envelopes:
        if isinstance(envelope.event, e.ResultJudged):
            judged[envelope.event.position] = envelope.event
    return judged


def _outcome(judged: e.ResultJudged | None) -> dict[str, object]:
    if judged is None:
        return {"runId": None, "status": "reading", "deduplicated": False, "ignored": ""}
    run = str(judged.run) if judged.run else None
    return {
        "runId": run,
        "status": judged.status,
        "deduplicated": judged.deduplicated,
        "ignored": judged.ignored,
    }


def _project_executions(
    delivery_id: UUID, envelopes: Sequence[e.Envelope], judged: Sequence[e.ResultJudged | None]
) -> None:
    found = execution_rows(delivery_id, envelopes, judged)
    known = known_executions(found)
    Execution.objects.bulk_create([r for r in found if _key(r) not in known])
    for row in found:
        if known.get(_key(row)) == delivery_id:
            mine = Execution.objects.filter(
                provider=row.provider, host=row.host, job_run_id=row.job_run_id, attempt=row.attempt
            )
            mine.update(run_id=row.run_id, log=row.log)


def execution_rows(
    delivery_id: UUID, envelopes: Sequence[e.Envelope], judged: Sequence[e.ResultJudged | None]
) -> list[Execution]:
    """The rows of a delivery's executions, unsaved, in the order of its results."""
    return [
        execution_row(
            result,
            delivery_id=delivery_id,
            position=i,
            received_at=envelopes[0].at,
            log=log,
            judged=judged[i],
        )
        for i, (result, log) in enumerate(results(envelopes))
        if isinstance(result, Failed | Passed)
    ]


def known_executions(rows: Iterable[Execution]) -> dict[tuple[str, str, str, int], UUID]:
    """Which of them another or this delivery told of already, and which delivery."""
    wanted = {_key(r) for r in rows}
    ids = [key[2] for key in wanted]
    stored = Execution.objects.filter(job_run_id__in=ids).values_list(
        "provider", "host", "job_run_id", "attempt", "delivery_id"
    )
    return {(p, h, j, a): d for p, h, j, a, d in stored if (p, h, j, a) in wanted}


def _key(row: Execution) -> tuple[str, str, str, int]:
    return row.provider, row.host, row.job_run_id, row.attempt


def execution_row(
    result: Failed | Passed,
    *,
    delivery_id: UUID,
    position: int,
    received_at: datetime,
    log: str,
    judged: e.ResultJudged | None,
) -> Execution:
    result = (judged.identified if judged else None) or result
    ref = result.execution
    return Execution(
        provider=ref.provider,
        host=ref.host,
        job_run_id=ref.job_run_id,
        attempt=ref.attempt,
        outcome="failed" if isinstance(result, Failed) else "passed",
        repository=result.repository,
        branch=result.branch,
        commit=result.commit,
        job=result.job,
        pipeline_url=result.pipeline_url,
        fork=result.fork,
        definition=result.definition,
        parent_id=result.parent_id,
        parent_attempt=result.parent_attempt,
        coarse=result.coarse,
        at=result.finished_at or received_at,
        delivery_id=delivery_id,
        position=position,
        run_id=judged.run if judged else None,
        log=(judged.log if judged else "") or log,
    )


def jobs_reported(coarse: Failed) -> bool:
    """Whether a failed job of this workflow was told of by itself."""
    ref = coarse.execution
    jobs = Execution.objects.filter(
        provider=ref.provider,
        host=ref.host,
        parent_id=coarse.parent_id,
        parent_attempt__in=(0, coarse.parent_attempt),
        coarse=False,
        outcome="failed",
    )
    return bool(coarse.parent_id) and jobs.exists()


def green_logs(repository: str, job: str, *, most: int = 3) -> list[str]:
    """The newest passing logs of a job, redacted: what also stands on green says nothing about
    red.
    """
    found = [store.artifact_bytes(digest) for digest in _green(repository, job, most)]
    return [raw.decode("utf-8", "replace") for raw in found if raw]


def packed_green_logs(repository: str, job: str, *, most: int = 3) -> list[bytes]:
    """The same as they are stored."""
    digests = _green(repository, job, most)
    kept = Artifact.objects.filter(digest__in=digests, content__isnull=False).values_list(
        "digest", "content"
    )
    found = {digest: bytes(content) for digest, content in kept if content is not None}
    return [found[digest] for digest in digests if digest in found]


def _green(repository: str, job: str, most: int) -> list[Digest]:
    rows = (
        Execution.objects.filter(repository=repository, job=job, outcome="passed", fork=False)
        .exclude(log="")
        .order_by("-at")
    )
    return list(rows.values_list("log", flat=True)[:most])


def pinned_policy(digest: str) -> Policy:
    """The policy a run pins. Its artifact is never purged."""
    raw = store.artifact_bytes(digest)
    return Policy.model_validate_json(raw) if raw else Policy()
