"""How long claiming and a delivery take while much is due: `python -m bench.claims --due 20000`.

A database of its own as `bench.ingest` makes it, filled with effects that are due; workers claim
and close one after the other, and deliveries come in meanwhile. Milliseconds on the clock, others'
work on the machine included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from bench import ingest

BEGUN = 20
"""One row in so many belongs to a run that has begun."""


def fill(due: int) -> None:
    from cihealing.models import Outbox

    now = datetime.now(UTC)
    rows = (
        Outbox(
            id=uuid4(),
            stream=uuid4(),
            version=2 if number % BEGUN == 0 else 1,
            ordinal=0,
            name="classify",
            payload="{}",
            run_id=uuid4(),
            not_before=now - timedelta(seconds=due - number),
            created_at=now,
            state="pending",
        )
        for number in range(due)
    )
    Outbox.objects.bulk_create(rows, batch_size=500)


def work(stop: threading.Event, took: list[float]) -> None:
    """Claim and close until told to stop."""
    from django.db import connection, transaction

    from cihealing.service import outbox

    while not stop.is_set():
        began = time.perf_counter()
        row = outbox.claim_next()
        took.append((time.perf_counter() - began) * 1000)
        if row is None:
            break
        with transaction.atomic():
            outbox.finish(row)
    connection.close()


def measured(
    application: object, *, workers: int, posts: int
) -> tuple[Sequence[float], Sequence[float]]:
    """(milliseconds of each claim, of each delivery)."""
    stop, claims, posted = threading.Event(), list[float](), list[float]()
    threads = [threading.Thread(target=work, args=(stop, claims)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        for request in ingest.requests("first failure", posts):
            began = time.perf_counter()
            ingest.ask(application, request)  # type: ignore[arg-type]
            posted.append((time.perf_counter() - began) * 1000)
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return claims, posted


def told(name: str, took: Sequence[float]) -> str:
    ordered = sorted(took)
    most = ordered[int(len(ordered) * 0.99)]
    return f"{name:12} {len(took):6} {statistics.median(took):8.1f} {most:8.1f} {ordered[-1]:8.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--due", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--posts", type=int, default=100)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as data,
        ingest.own_database(os.environ.get("DATABASE_URL", "")) as database,
    ):
        application = ingest.started(data, database)
        ingest.measured(application, "first failure", 5)
        fill(asked.due)
        began = time.perf_counter()
        claims, posted = measured(application, workers=asked.workers, posts=asked.posts)
        took = time.perf_counter() - began
        print(f"{asked.due:,} due, {asked.workers} workers, {took:.1f} s\n")
        print(f"{'':12} {'number':>6} {'median':>8} {'99 %':>8} {'worst':>8}")
        print(told("claims", claims), told("deliveries", posted), sep="\n")
        from django.db import connection

        connection.close()


if __name__ == "__main__":
    main()
