"""How often somebody may come: a token bucket each, in this process.

A bucket holds as many as a minute brings, so that a burst passes and a flood does not. Who is
refused is told how long to wait.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60.0
MOST = 10_000
"""Buckets kept; the one that was asked longest ago goes first, and by then it is mostly full
again.
"""


@dataclass(slots=True)
class Bucket:
    left: float
    at: float


class Rate:
    """At most `per_minute` a minute for each key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self.buckets: OrderedDict[str, Bucket] = OrderedDict()

    def wait(self, key: str, *, per_minute: int) -> int:
        """Count one more; 0 where it may pass, else the seconds until one may."""
        now = self.clock()
        with self.lock:
            bucket = self.buckets.setdefault(key, Bucket(per_minute, now))
            self.buckets.move_to_end(key)
            if len(self.buckets) > MOST:
                self.buckets.popitem(last=False)
            bucket.left = min(per_minute, bucket.left + (now - bucket.at) * per_minute / MINUTE)
            bucket.at = now
            if bucket.left >= 1:
                bucket.left -= 1
                return 0
            return max(1, math.ceil((1 - bucket.left) * MINUTE / per_minute))
