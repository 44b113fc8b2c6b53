"""Whether the process lives, and whether it can work. Open to all, so neither says more than which
part is missing.

What readiness asks may not answer (a server that is frozen, a disk that hangs): it is asked on a
thread of its own and over a connection of its own, and whoever wants to know waits `PATIENCE` for
it at most.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DEFAULT_DB_ALIAS
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from cihealing import ending, outages, room
from cihealing.read import figures
from cihealing.web.problems import problem

log = logging.getLogger(__name__)

STUCK = 600.0
"""Seconds work that is due may wait before it is clear that no worker takes it."""
PATIENCE = 0.6
"""Seconds an answer is waited for; readiness answers within one."""
FRESH = 1.0
"""Seconds an answer holds: however often it is asked, the database and the disk are asked once."""
ABANDONED = 10.0
"""Seconds after which a look that hangs is left behind and another one is begun."""
LATELY = 15.0
"""Seconds for which a write that found no room counts: senders are kept away, and then it is tried
again.
"""
CONNECTING = 2

Checks = Mapping[str, bool]


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; asks nothing of the database."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when deliveries can be taken; 503 names what is missing. Answers within a second,
    whatever hangs.
    """
    checks = {**probe(), "staying": not ending.stopping.is_set()}
    missing = [name for name, good in checks.items() if not good]
    if missing:
        answer = problem(
            "not-ready",
            status=503,
            title="Not ready",
            detail=f"missing: {', '.join(missing)}",
            checks=checks,
        )
        answer["Retry-After"] = "5"
        answer._has_been_logged = True  # type: ignore[attr-defined]  # asked every few seconds: the outage itself is logged
        return answer
    return JsonResponse({"status": "ok", "checks": checks})


class Probe:
    """The checks, one look at a time; those that did not answer in time count as missing."""

    def __init__(self, checks: Mapping[str, Callable[[], bool]]) -> None:
        self.checks = checks
        self._lock = threading.Lock()
        self._look: Look | None = None

    def __call__(self) -> Checks:
        with self._lock:
            if self._look is None or self._look.stale():
                self._look = Look(self.checks)
            look = self._look
        if not look.done.wait(max(0.0, look.begun + PATIENCE - time.monotonic())):
            outages.met.suspect()
        return {name: look.found.get(name, False) for name in self.checks}

    def forget(self) -> None:
        with self._lock:
            self._look = None


class Look:
    def __init__(self, checks: Mapping[str, Callable[[], bool]]) -> None:
        self.begun = time.monotonic()
        self.found: dict[str, bool] = {}
        self.done = threading.Event()
        threading.Thread(target=self._run, args=(checks,), name="readiness", daemon=True).start()

    def stale(self) -> bool:
        return time.monotonic() - self.begun > (FRESH if self.done.is_set() else ABANDONED)

    def _run(self, checks: Mapping[str, Callable[[], bool]]) -> None:
        try:
            with own_connection():
                for name, check in checks.items():
                    self.found[name] = good(check)
        finally:
            self.done.set()


def good(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception as error:
        if not outages.meet(error):
            log.exception("a check of readiness failed")
        return False


@contextmanager
def own_connection() -> Iterator[None]:
    """Within it this thread's connection is outside the pool: it must not wait for those that are
    busy, nor get one that broke.
    """
    own = connections[DEFAULT_DB_ALIAS].copy()
    if own.settings_dict["OPTIONS"].pop("pool", None):
        own.settings_dict["OPTIONS"]["connect_timeout"] = CONNECTING
    connections[DEFAULT_DB_ALIAS] = own
    try:
        yield
    finally:
        own.close()
        del connections[DEFAULT_DB_ALIAS]


def _database() -> bool:
    """Whether it answers, and takes writes: a standby answers everything else."""
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.execute("SELECT 1")
            return True
        cursor.execute("SELECT current_setting('transaction_read_only')")
        return bool(cursor.fetchone()[0] == "off")


def _storage() -> bool:
    """Whether there is room, and leave to write, wherever a delivery is put."""
    if connection.vendor == "postgresql" and outages.met.lately(outages.FULL, within=LATELY):
        # its disk is not ours to look at: what it said when something was to be stored must do
        return False
    room.require()
    return True


class Migrated:
    """Whether every migration ran. Once they did they stay so for this process, and looking costs a
    dozen queries.
    """

    def __init__(self) -> None:
        self.known = False

    def __call__(self) -> bool:
        self.known = self.known or self._look()
        return self.known

    def _look(self) -> bool:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _worked_off() -> bool:
    return figures.oldest_due_seconds() < STUCK


CHECKS: Mapping[str, Callable[[], bool]] = {
    "storage": _storage,
    "database": _database,
    "migrations": Migrated(),
    "workers": _worked_off,
}
probe = Probe(CHECKS)
