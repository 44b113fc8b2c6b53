"""What waits, waits for as long as it was meant to, whatever is done to the clock.

Times in the outbox are database time. Whoever writes or compares one asks `now()`, which first
holds the database's clock against one that cannot be set: the machine's time since it was started.
Where the database's has jumped, everything that waits is moved by as much, once, whichever process
sees it first. Over a restart the same is read from a row that says what time it was last.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connection, transaction
from django.db.models import F

from cihealing import clock
from cihealing.models import Clock, Outbox

logger = logging.getLogger(__name__)

TOLERANCE = 30.0
"""Seconds. A jump below it costs no lease (each lasts 40 s when it is renewed) and delays nothing
by more.
"""
SLOW = 5.0
"""Seconds a question for the time may take: a longer one says nothing about clocks."""
NOTE = 30.0
"""Seconds between two notes of what time it is. What a clock loses to being corrected bit by bit
never adds up to a jump in that time.
"""


def uptime() -> float:
    """Seconds since this machine was started, its sleep included; nobody can set it."""
    return (
        time.clock_gettime(time.CLOCK_BOOTTIME)
        if hasattr(time, "CLOCK_BOOTTIME")
        else time.monotonic()
    )


def boot() -> str:
    """Which start of which machine `uptime` counts from; empty where that cannot be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The two clocks at one moment, and by how much what waits had been moved in all by then
    (seconds).
    """

    at: datetime
    uptime: float
    moved: float

    def jumped(self, at: datetime, uptime: float) -> float:
        """Seconds by which the database's clock has gone ahead of the other one since."""
        return (at - self.at).total_seconds() - (uptime - self.uptime)


class ClockWatch:
    """This process's view of the database's clock."""

    def __init__(
        self, *, uptime: Callable[[], float] = uptime, boot: Callable[[], str] = boot
    ) -> None:
        self.uptime, self.boot = uptime, boot
        self.mark: Mark | None = None
        self.noted = 0.0
        self._looking = threading.Lock()

    def now(self) -> datetime:
        """Database time, aware, UTC. Where it has jumped, what waits was moved first.

        Within a transaction nothing is moved, for whoever looks at that moment may wait for it: the
        time goes on as if there had been no jump, and is moved with the rest.
        """
        asked = self.uptime()
        return self.seen(clock.database_now(), asked)

    def seen(self, at: datetime, asked: float) -> datetime:
        """`now`, where another statement brought the database's time `at`; it was asked at
        `asked` of `uptime`.
        """
        if self.uptime() - asked > SLOW:
            return at
        mark = self.mark
        jumped = mark is not None and abs(mark.jumped(at, asked)) > TOLERANCE
        if connection.in_atomic_block:
            return (
                at - timedelta(seconds=self._jump(Clock.objects.get(id=1), at, asked))
                if jumped
                else at
            )
        if mark is None or jumped or asked - self.noted > NOTE:
            self._look(at, asked, patient=jumped or mark is None)
        return at

    def _look(self, at: datetime, asked: float, *, patient: bool) -> None:
        if not self._looking.acquire(blocking=patient):
            return
        try:
            with transaction.atomic():
                self.mark = self._looked(at, asked)
            self.noted = asked
        finally:
            self._looking.release()

    def _looked(self, at: datetime, asked: float) -> Mark:
        fresh = {"seen": at, "boot": "", "uptime": 0.0, "moved": 0.0}
        row = Clock.objects.select_for_update().get_or_create(id=1, defaults=fresh)[0]
        jump = self._jump(row, at, asked)
        if abs(jump) > TOLERANCE:
            move(jump)
            row.moved += jump
        row.seen, row.boot, row.uptime = at, self.boot(), asked
        row.save()
        return Mark(at=at, uptime=asked, moved=row.moved)

    def _jump(self, row: Clock, at: datetime, asked: float) -> float:
        """Seconds that nobody has moved anything by yet."""
        if self.mark is not None:
            jump = self.mark.jumped(at, asked) - (row.moved - self.mark.moved)
            # Where others saw the time that we missed, it was this machine that stood still.
            return 0.0 if jump > 0 and (at - row.seen).total_seconds() < jump - 2 * NOTE else jump
        if row.boot and row.boot == self.boot():
            return Mark(at=row.seen, uptime=row.uptime, moved=0).jumped(at, asked)
        # Another machine, or started anew since: how long it was off is not known, but time does
        # not go back.
        return min(0.0, (at - row.seen).total_seconds())


def move(jump: float) -> None:
    """Move what waits by `jump` seconds, so that it waits as long as before; leases, so that who
    holds one still does.
    """
    by = timedelta(seconds=jump)
    pending = Outbox.objects.filter(state="pending")
    moved = pending.update(
        created_at=F("created_at") + by, not_before=F("not_before") + by, poked_at=None
    )
    held = pending.filter(lease_until__isnull=False).update(lease_until=F("lease_until") + by)
    way = f"{'ahead' if jump > 0 else 'back'} by {abs(jump):.0f} s"
    logger.warning(
        "the database's clock was set %s: %d effects and %d leases were moved along",
        way,
        moved,
        held,
    )


watch = ClockWatch()
now = watch.now
