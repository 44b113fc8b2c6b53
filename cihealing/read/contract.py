"""The frozen rows as the JSON of the HTTP contract: camelCase, times as RFC 3339, ids as text. What
the API answers, `--json` prints.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from cihealing.domain.run import flat, flat_hints
from cihealing.read import rows
from cihealing.wording.plain import camel, plain, recased

Json = dict[str, Any]

LISTED = tuple(f.name for f in fields(rows.RunRow))
APART = (
    "state",
    "attempts",
    "past_attempts",
    "candidate",
    "timeline",
    "executions",
    "followers",
    "proof",
    "report",
    "report_markdown",
)
"""Of a run's detail, what is not copied field by field."""
INTERNAL = (
    "policy",
    "inherited_patch",
    "summary",
    "failure",
    "project",
    "local_hash",
    "context",
    "tried_patches",
    "tried_fixers",
    "refused_patches",
    "model_pauses",
    "model_not_before",
    "proven_at",
    "leads_cluster",
    "report",
)
"""Of a run's state, what it keeps for itself, or a row tells otherwise."""
LOOKED_UP = tuple(
    f.name for f in fields(rows.RunDetail) if f.name not in LISTED and f.name not in APART
)
SHOWN = {
    name: hint
    for name, hint in flat_hints().items()
    if name not in (*LISTED, *APART, *LOOKED_UP, *INTERNAL)
}
"""Of a run's state, what its detail shows by the name it has in documents -> type."""
NAMES = {"commit": "commitSha", "job": "ciJob"}
"""`jobId` is the service's own job; what CI calls a job is `ciJob`."""


def run_row(row: rows.RunRow) -> Json:
    """A run as lists show it."""
    return {NAMES.get(name, camel(name)): plain(getattr(row, name)) for name in LISTED}


def run_detail(row: rows.RunDetail) -> Json:
    """A run with everything that is known of it."""
    return {
        **run_row(row),
        **{camel(name): plain(value) for name, value in flat(row.state) if name in SHOWN},
        **{camel(name): plain(getattr(row, name)) for name in LOOKED_UP},
        "proof": recased(row.proof),
        "candidate": plain(row.candidate),
        "executions": [execution(x) for x in row.executions],
        "followers": [str(f.id) for f in row.followers],
        "attempts": [attempt(a) for a in row.attempts],
        "pastAttempts": [attempt(a) for a in row.past_attempts],
        "events": [event(entry) for entry in row.timeline],
    }


def attempt(row: rows.AttemptRow) -> Json:
    return {
        "attemptNo": row.number,
        **{
            camel(f.name): plain(getattr(row, f.name))
            for f in fields(row)
            if f.name not in ("number", "proof")
        },
        "validationLog": row.validation_log,
        "proof": recased(row.proof),
    }


def execution(row: rows.ExecutionRow) -> Json:
    return {NAMES.get(f.name, camel(f.name)): plain(getattr(row, f.name)) for f in fields(row)}


def event(entry: rows.TimelineEntry) -> Json:
    return {
        "version": entry.version,
        "type": entry.tag,
        "at": plain(entry.at),
        "actor": entry.actor,
        "actorKind": entry.actor_kind,
        "source": entry.source,
        "text": entry.text,
        "data": recased(entry.data),
    }


def run_page(page: rows.RunPage) -> Json:
    return {
        "data": [run_row(row) for row in page.rows],
        "total": page.total,
        "totalCapped": page.total_capped,
        "page": page.page,
        "pageSize": page.page_size,
        "nextCursor": page.next_cursor,
    }


def memory(found: rows.Memory) -> Json:
    return {**plain(found), "others": [run_row(row) for row in found.others]}


def delivery(row: rows.DeliveryRow) -> Json:
    return {
        "id": str(row.id),
        "provider": row.provider,
        "status": row.status,
        "receivedAt": plain(row.received_at),
        "runIds": plain(row.run_ids),
        "ignored": list(row.ignored),
    }


def global_event(entry: rows.GlobalEntry) -> Json:
    """A fact of any run as live lists get it: one line, without the data."""
    line = {name: value for name, value in event(entry.entry).items() if name != "data"}
    return {
        "runId": str(entry.run_id),
        "repository": entry.repository,
        "status": entry.status,
        "stage": entry.stage,
        **line,
    }
