"""Faults of what the service stands on: disk, directories, database. They are expected, pass by
themselves and are no fault of the code.

`of(error)` says whether an exception is one. Whoever ends work with an exception asks `meet`, which
also logs it: a line when it begins and one a minute while it lasts, never a traceback.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

logger = logging.getLogger(__name__)

QUIET = 60.0
"""Seconds between two lines about the same kind."""
DEEPEST = 20


@dataclass(frozen=True, kw_only=True)
class Outage:
    """`kind` is the stable end of the problem's type; `retry_after` in seconds; `advice` is for who
    runs the service.
    """

    kind: str
    status: int
    title: str
    retry_after: int
    advice: str


FULL = Outage(
    kind="storage-full",
    status=507,
    title="No room is left to store it",
    retry_after=60,
    advice="make room on the disk of the data directory, the database and the temporary directory",
)
NOT_WRITABLE = Outage(
    kind="storage-not-writable",
    status=503,
    title="What it is stored in cannot be written",
    retry_after=60,
    advice=(
        "mount it writable and give it to the user who runs the service (or name another data"
        " directory: CI_HEALING_DATA_DIR)"
    ),
)
FAILING = Outage(
    kind="storage-failing",
    status=503,
    title="What it is stored on fails",
    retry_after=60,
    advice="look at the disk; where the database file is damaged, put a backup in its place",
)
AWAY = Outage(
    kind="database-away",
    status=503,
    title="The database does not answer",
    retry_after=5,
    advice="start it, or say in DATABASE_URL where it is and who may log in",
)
BUSY = Outage(
    kind="overloaded",
    status=503,
    title="Too much is asked at once",
    retry_after=5,
    advice=(
        "nothing, where it passes; else allow more connections (CI_HEALING_DATABASE_POOL) or open"
        " files (ulimit -n)"
    ),
)

BY_ERRNO: Mapping[int, Outage] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), FULL),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), NOT_WRITABLE),
    errno.EIO: FAILING,
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), BUSY),
}
BY_SQLITE: Mapping[int, Outage] = {
    sqlite3.SQLITE_FULL: FULL,
    **dict.fromkeys(
        (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM), NOT_WRITABLE
    ),
    **dict.fromkeys((sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB), FAILING),
    **dict.fromkeys((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), BUSY),
}
"""By primary result code. Source: SQLite, 'Result and Error Codes'."""
BY_SQLSTATE: Mapping[str, Outage] = {
    "53100": FULL,
    "25006": NOT_WRITABLE,
    "58030": FAILING,
    "XX001": FAILING,
    "XX002": FAILING,
    "53000": BUSY,
    "53200": BUSY,
    "53300": BUSY,
    "55P03": BUSY,
    "57P01": AWAY,
    "57P02": AWAY,
    "57P03": AWAY,
    "57P05": AWAY,
    "28000": AWAY,
    "28P01": AWAY,
    "3D000": AWAY,
}
"""Source: PostgreSQL, 'Error Codes'. Class 08 besides: connections."""


def of(error: BaseException | None) -> Outage | None:
    """The outage that this exception, or one that led to it, tells of; None for anything else."""
    return next((found for each in _causes(error) if (found := _said_by(each))), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(DEEPEST):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _said_by(error: BaseException) -> Outage | None:
    if isinstance(error, OSError):
        return BY_ERRNO.get(error.errno or 0)
    if isinstance(error, sqlite3.Error):
        return BY_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return (
        _said_by_psycopg(error)
        if type(error).__module__.startswith(("psycopg", "cihealing.postgresql"))
        else None
    )


def _said_by_psycopg(error: BaseException) -> Outage | None:
    import psycopg
    from psycopg_pool import PoolTimeout, TooManyRequests

    state = str(getattr(error, "sqlstate", None) or "")
    if isinstance(error, PoolTimeout | TooManyRequests):
        return BUSY
    if state:
        return AWAY if state.startswith("08") else BY_SQLSTATE.get(state)
    closed = isinstance(error, psycopg.InterfaceError) and "connection" in str(error)
    # The client's own word, without a code of the server's: the connection was not made, or it
    # broke.
    return AWAY if closed or isinstance(error, psycopg.OperationalError) else None


def reason(error: BaseException) -> str:
    """The words of whoever met it first, in one line."""
    *_, first = (each for each in _causes(error) if _said_by(each))
    if isinstance(first, OSError):
        return f"{first.filename}: {first.strerror}" if first.filename else str(first.strerror)
    return " ".join(str(first).split())[:300]


def line(error: BaseException) -> str:
    """One line for who runs the service: what is wrong and what to do. Empty where it is no
    outage.
    """
    outage = of(error)
    return (
        f"{outage.title[0].lower()}{outage.title[1:]} ({reason(error)}): {outage.advice}"
        if outage
        else ""
    )


class Met:
    """When each kind was met last, and when it was last told."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.suspects: list[Callable[[], None]] = []
        """Who keeps connections to the database, and looks whether it is away; must not block."""
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def note(self, error: BaseException) -> Outage | None:
        outage = of(error)
        if outage is None:
            return None
        if (count := self._to_tell(outage.kind)) is not None:
            more = f" ({count} more since the last line)" if count else ""
            logger.error("%s%s", line(error), more)
        if outage is AWAY:
            self.suspect()
        return outage

    def suspect(self) -> None:
        """The database may be away: it did not answer in time, or said so."""
        for look in self.suspects:
            look()

    def _to_tell(self, kind: str) -> int | None:
        """How many were not told since the last line, where it is time for another one."""
        with self._lock:
            now = self._last[kind] = self.clock()
            if now - self._told.get(kind, -QUIET) < QUIET:
                self._untold[kind] = self._untold.get(kind, 0) + 1
                return None
            self._told[kind] = now
            return self._untold.pop(kind, 0)

    def lately(self, outage: Outage, *, within: float) -> bool:
        """Whether it was met in the last `within` seconds."""
        with self._lock:
            return outage.kind in self._last and self.clock() - self._last[outage.kind] < within

    def forget(self) -> None:
        with self._lock:
            self._last.clear()
            self._told.clear()
            self._untold.clear()


met = Met()
meet = met.note
