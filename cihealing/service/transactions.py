"""One write, tried again where another writer was faster."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, OperationalError, transaction

from cihealing.store import StreamMoved

T = TypeVar("T")
TRIES = 12


def write(work: Callable[[], T]) -> T:
    """Run `work` in a transaction; a lost race (moved stream, taken key, deadlock) runs it again from the start.

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


def _passing(error: OperationalError) -> bool:
    text = str(error)
    return any(sign in text for sign in ("deadlock detected", "could not serialize", "database is locked"))
