"""One write, tried again where another writer was faster."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, OperationalError, connection, transaction

from cihealing.store import StreamMoved

T = TypeVar("T")
TRIES = 12


def write(work: Callable[[], T]) -> T:
    """Run `work` in a transaction; a lost race (moved stream, taken key, deadlock) runs it again
    from the start.

    Raises StreamMoved when it was lost `TRIES` times.
    """
    for number in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                return work()
        except (StreamMoved, IntegrityError) as lost:
            reason: Exception = lost
        except OperationalError as busy:
            if not _passing(busy):
                raise
            reason = busy
        time.sleep(random.uniform(0, 0.01 * number))  # noqa: S311 - spreads writers, guards nothing
    raise StreamMoved(f"lost the race {TRIES} times") from reason


def one_at_a_time(*names: str) -> None:
    """Until the transaction ends, others that name the same wait. SQLite has one writer anyway.

    Needed where a decision looks at rows that another open transaction may be about to add.
    """
    if connection.vendor == "postgresql":
        key = int.from_bytes(hashlib.sha256("\n".join(names).encode()).digest()[:8], signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def _passing(error: OperationalError) -> bool:
    text = str(error)
    return any(
        sign in text for sign in ("deadlock detected", "could not serialize", "database is locked")
    )
