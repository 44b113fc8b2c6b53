"""What it costs that SQLite has a delivery on the disk before it is acknowledged: posts a second
and latency, with and without.

    python bench/durability.py --posts 200 --pairs 5 --directory /var/tmp

`service.receive` over a database of its own in `directory` (its file system decides the figures),
one sender, `synchronous` NORMAL and FULL in turn; medians of the pairs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not this directory: its `secrets` is not the standard library's
LOG = (
    'Traceback (most recent call last):\n  File "app.py", line 3, in <module>\nValueError: {0} went'
    " wrong\n"
)


def measured(mode: str, *, first: int, posts: int) -> tuple[float, list[float]]:
    """(posts a second, seconds of each)."""
    from django.db import connection

    from cihealing import service
    from cihealing.domain.values import ExecutionRef, Failed

    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA synchronous={mode}")
    took, began = [], time.perf_counter()
    for number in range(first, first + posts):
        run = ExecutionRef(provider="generic", host="", job_run_id=str(number))
        told = Failed(
            execution=run,
            repository="org/app",
            branch="main",
            commit=f"{number:040x}",
            job="test",
            log=LOG.format(number),
        )
        start = time.perf_counter()
        service.receive(
            hook="default",
            provider="generic",
            delivery_id=str(number),
            results=[told],
            now=datetime.now(UTC),
        )
        took.append(time.perf_counter() - start)
    return posts / (time.perf_counter() - began), took


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--directory", default=None)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.directory) as data:
        os.environ |= {
            "CI_HEALING_DATA_DIR": data,
            "DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        from cihealing.service import outbox

        outbox.poke = lambda ids: None
        measured("NORMAL", first=0, posts=20)  # the rules are read once
        found: dict[str, list[tuple[float, list[float]]]] = {"NORMAL": [], "FULL": []}
        for number in range(asked.pairs):
            for mode in found if number % 2 else reversed(found):
                first = 1000 + sum(map(len, found.values())) * asked.posts
                found[mode].append(measured(mode, first=first, posts=asked.posts))
    print(f"{'synchronous':12} {'posts/s':>8} {'median ms':>10} {'p95 ms':>8}")
    for mode, runs in found.items():
        p95 = statistics.median(sorted(took)[int(0.95 * len(took))] for _, took in runs)
        middle = statistics.median(statistics.median(took) for _, took in runs)
        print(
            f"{mode:12} {statistics.median(rate for rate, _ in runs):8.1f} {1000 * middle:10.2f}"
            f" {1000 * p95:8.2f}"
        )


if __name__ == "__main__":
    main()
