"""How often one host is asked: a token bucket a host, in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cihealing.ports import TransientError

SETTING = "CI_HEALING_FETCHES_PER_MINUTE"
MAX_HOSTS = 1_000


class Pace:
    """Buckets of one minute's requests, full at first. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock, self._buckets = (
            clock,
            threading.Lock(),
            dict[str, tuple[float, float]](),
        )

    def take(self, host: str, *, rate: int) -> None:
        """One request to `host`, of `rate` a minute. Raises TransientError with the seconds until
        there is one again.
        """
        with self._lock:
            now = self._clock()
            left, since = self._buckets.pop(host, (float(rate), now))
            left = min(float(rate), left + (now - since) * rate / 60)
            self._put(host, left - 1 if left >= 1 else left, now)
        if left < 1:
            raise TransientError(
                f"{host} is asked at most {rate} times a minute ({SETTING})",
                retry_after=(1 - left) * 60 / rate,
            )

    def _put(self, host: str, left: float, now: float) -> None:
        """Last in, so that the hosts asked longest ago are the first to be forgotten."""
        self._buckets[host] = (left, now)
        if len(self._buckets) > MAX_HOSTS:
            del self._buckets[next(iter(self._buckets))]


SHARED = Pace()
"""The one this process keeps to."""
