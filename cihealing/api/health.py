"""Whether the process lives, and whether it can work. Open to all, so neither says more than which part is missing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from cihealing import embedded, queries
from cihealing.problems import problem

log = logging.getLogger(__name__)

STUCK = 600.0
"""Seconds work that is due may wait before it is clear that no worker takes it."""


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; asks nothing of the database."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when deliveries can be taken; 503 names what is missing."""
    checks = {name: check() for name, check in CHECKS.items()}
    missing = [name for name, good in checks.items() if not good]
    if missing:
        return problem("not-ready", status=503, title="Not ready", detail=f"missing: {', '.join(missing)}", checks=checks)
    return JsonResponse({"status": "ok", "checks": checks})


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        log.exception("the database does not answer")
        return False
    return True


class Migrated:
    """Whether every migration ran. Once they did they stay so for this process, and looking costs a dozen queries."""

    def __init__(self) -> None:
        self.known = False

    def __call__(self) -> bool:
        self.known = self.known or self._look()
        return self.known

    def _look(self) -> bool:
        try:
            executor = MigrationExecutor(connection)
            return not executor.migration_plan(executor.loader.graph.leaf_nodes())
        except DatabaseError:
            return False


def _worked_off() -> bool:
    try:
        return queries.backlog().oldest_due_seconds < STUCK
    except DatabaseError:
        return False


def _staying() -> bool:
    return not embedded.stopping.is_set()


CHECKS: Mapping[str, Callable[[], bool]] = {"database": _database, "migrations": Migrated(), "workers": _worked_off, "staying": _staying}
