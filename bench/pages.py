"""How long every page and API list takes among many runs, and whether its queries read a large
table from end to end: `python -m bench.pages postgresql://postgres@127.0.0.1/pages --runs 1000000`.

The database is migrated and, where it is empty, seeded first (`bench.seeded`; some minutes a
million runs). Exit 1 where a page takes more than `--most` milliseconds of the processor (its own
and the database's: the same on a busy machine) or reads a large table whole.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

API = "/api/v1/ci-healing"
LARGE = 20_000
"""Rows; reading fewer one after the other is no fault."""
TOKEN = "b" * 40


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one path did: milliseconds on the clock and of the processor each time, statements,
    tables read whole.
    """

    name: str
    took: Sequence[float]
    worked: Sequence[float]
    statements: int
    whole: Sequence[str] = field(default=())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", help="DATABASE_URL; its user may make the schema")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument(
        "--most", type=float, default=150, help="milliseconds of the processor a page may take"
    )
    parser.add_argument("--seed-only", action="store_true")
    asked = parser.parse_args()
    _set_up(asked.database, asked.runs)
    if asked.seed_only:
        return 0
    seen = [_measured(name, path, asked.times) for name, path in paths()]
    show(seen, asked.runs)
    bad = [s.name for s in seen if s.whole or median(s.worked) > asked.most]
    if bad:
        print(f"\ntoo slow, or a large table read whole: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


def _set_up(url: str, runs: int) -> None:
    os.environ |= {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "CI_HEALING_API_TOKEN": TOKEN,
        "CI_HEALING_WEBHOOK_SECRET": secrets.token_hex(32),
        "DJANGO_ALLOWED_HOSTS": "testserver,localhost",
    }
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from bench import seeded
    from cihealing import models

    settings.ALLOWED_HOSTS = ["*"]
    settings.SECURE_SSL_REDIRECT = False
    call_command("migrate", verbosity=0)
    if not models.Run.objects.exists():
        seeded.seed(runs)
        seeded.settle()


def paths() -> Iterator[tuple[str, str]]:
    """(name, path) of every page and list, with things to look for that are there."""
    from bench.seeded import FAMILY, RARE
    from cihealing.models import Run

    newest = Run.objects.filter(attached_to__isnull=True).order_by("-created_at")
    run = newest.filter(status="fixed").first()
    family = newest.filter(error_hash=FAMILY).first()
    leader = Run.objects.filter(attached_to__isnull=False).order_by("-created_at").first()
    assert run
    assert family
    assert leader
    yield "overview", "/"
    yield "/runs", "/runs"
    yield "/runs, page 400", "/runs?page=400"
    yield "/runs, a status", "/runs?status=escalated"
    yield "/runs, a repository", f"/runs?repository={run.repository}"
    yield "/runs, both", f"/runs?repository={run.repository}&status=fixed"
    yield "run page", f"/runs/{run.id}"
    yield "run page, with followers", f"/runs/{leader.attached_to}"
    yield "search: a common word", "/runs?q=timeout"
    yield "search: a rare word", f"/runs?q={RARE}"
    yield "search: a rare word, one status", f"/runs?q={RARE}&status=escalated"
    yield "search: a word there is none of", "/runs?q=xylophone"
    yield "search: two letters", "/runs?q=zq"
    yield "search: a commit", f"/runs?q={run.commit[:12]}"
    yield "search: a hash", f"/runs?q={run.error_hash[:20]}"
    yield "search: a hash of many", f"/runs?q={FAMILY[:40]}"
    yield "API runs", f"{API}/runs"
    yield "API runs, two statuses", f"{API}/runs?status=fixed,queued"
    yield "API run", f"{API}/runs/{run.id}"
    yield "API memory", f"{API}/runs/{run.id}/memory"
    yield "API memory, of many", f"{API}/runs/{family.id}/memory"
    yield "API summary", f"{API}/metrics/summary"
    yield "API repositories", f"{API}/metrics/repositories"
    yield "/metrics", "/metrics"
    yield "/readyz", "/readyz"
    yield "feed: what is new", "feed"


class Client:
    """Asks as a person who is signed in, or with the API token."""

    def __init__(self) -> None:
        from django.contrib.auth.models import User
        from django.test import Client as DjangoClient

        user, _ = User.objects.get_or_create(username="bench", is_superuser=True)
        self.person = DjangoClient()
        self.person.force_login(user)
        self.program = DjangoClient(headers={"authorization": f"Bearer {TOKEN}"})

    def __call__(self, path: str) -> None:
        if path == "feed":
            return _follow()
        page = not path.startswith((API, "/metrics", "/readyz"))
        answer = (self.person if page else self.program).get(path)
        assert answer.status_code in (200, 503 if path == "/readyz" else 200), (
            path,
            answer.status_code,
            answer.content[:300],
        )
        return None


def _follow() -> None:
    """One round of a live list that begins now, and one that comes back after 200 facts."""
    from django.contrib.auth.models import User

    from cihealing.read import feed
    from cihealing.read.access import viewer_of

    viewer = viewer_of(User(username="bench"))
    cursor = feed.global_cursor()
    feed.global_events_after(viewer, cursor)
    tx, last = cursor.split(".")
    feed.global_events_after(viewer, f"{tx}.{int(last) - 200}", limit=200)


def _measured(name: str, path: str, times: int) -> Seen:
    """The first answer warms, and its statements are looked at; a slow page is asked once more."""
    ask, asked = Client(), list[tuple[str, Any]]()
    begun = time.perf_counter()
    _record(ask, path, asked)
    slow = time.perf_counter() - begun > 2
    timed = [_timed(ask, path) for _ in range(1 if slow else times)]
    took, worked = zip(*timed, strict=True)
    whole = tuple(read_whole(asked))
    return Seen(name=name, took=took, worked=worked, statements=len(asked), whole=whole)


def _timed(ask: Client, path: str) -> tuple[float, float]:
    """(milliseconds on the clock, milliseconds of the processor)."""
    begun, worked = time.perf_counter(), _worked()
    ask(path)
    return (time.perf_counter() - begun) * 1000, (_worked() - worked) * 1000


def _worked() -> float:
    """Seconds of the processor that this process and the database's had so far. Of a database on
    another machine it knows nothing; what waits for other work does not count.
    """
    return time.process_time() + sum(map(_of_process, _backends()))


def _backends() -> Sequence[int]:
    from django.db import connection

    if connection.vendor != "postgresql":
        return ()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return [pid for (pid,) in cursor.fetchall()]


def _of_process(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, ValueError):
        return 0.0


def _record(ask: Client, path: str, asked: list[tuple[str, Any]]) -> None:
    from django.db import connection

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        ask(path)


def read_whole(asked: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """Large tables that one of the statements reads from end to end, as the database explains."""
    from django.db import connection

    found: dict[str, None] = {}
    with connection.cursor() as cursor:
        for sql, params in asked:
            if sql.lstrip("( ").upper().startswith(("SELECT", "WITH")):
                for table in _scanned(cursor, sql, params):
                    if _rows_of(cursor, table) > LARGE:
                        found[table] = None
    yield from found


def _scanned(cursor: Any, sql: str, params: Any) -> Iterator[str]:
    from django.db import connection

    if connection.vendor == "postgresql":
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        told = cursor.fetchone()[0]
        yield from _sequential(told if isinstance(told, list) else json.loads(told))
        return
    cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
    for *_, detail in cursor.fetchall():
        if detail.startswith("SCAN ") and "USING" not in detail and "VIRTUAL" not in detail:
            yield detail.split()[1]


def _sequential(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for part in node:
            yield from _sequential(part)
    elif isinstance(node, dict):
        if node.get("Node Type") in ("Seq Scan", "Parallel Seq Scan"):
            yield node["Relation Name"]
        for part in node.values():
            if isinstance(part, dict | list):
                yield from _sequential(part)


def _rows_of(cursor: Any, table: str) -> int:
    from django.apps import apps
    from django.db import connection

    if connection.vendor == "postgresql":
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE relname = %s", [table])
        return int(cursor.fetchone()[0])
    known = {m._meta.db_table: m for m in apps.get_models()}
    return known[table]._default_manager.count() if table in known else 0


def show(seen: Sequence[Seen], runs: int) -> None:
    from django.db import connection

    print(f"\n{runs:,} runs, {connection.vendor}, Python {platform.python_version()}\n")
    print(
        "| page or list | processor ms | clock ms | least | statements | large tables read whole |"
    )
    print("|---|---:|---:|---:|---:|---|")
    for s in seen:
        whole = ", ".join(s.whole).replace("cihealing_", "")
        took = f"{median(s.worked):.0f} | {median(s.took):.0f} | {min(s.took):.0f}"
        print(f"| {s.name} | {took} | {s.statements} | {whole} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
