"""When the beat sends the sweep: by a clock that nobody can set.

Celery reckons from the wall clock: set back by two days, it would send nothing for two days.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from celery.schedules import schedule

BEGAN, MARK = datetime.now(UTC), time.monotonic()


def steady_now() -> datetime:
    """The time at which this process was started, and what has passed since."""
    return BEGAN + timedelta(seconds=time.monotonic() - MARK)


def every(seconds: float) -> schedule:
    return schedule(run_every=timedelta(seconds=seconds), nowfun=steady_now)
