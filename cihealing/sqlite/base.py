"""The database backend `cihealing.sqlite`.

Opening a connection, reading the schema by it, and the checkpoint with which the last one closes
cost more than what most requests ask. So what Django closes is kept here for whoever opens next:
not by `CONN_MAX_AGE`, for under ASGI every request has a thread of its own.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base as django_base

MOST = 16
"""Idle connections that are kept: each holds three file descriptors."""
KEPT_TEXTS = 512
Identity = tuple[int, int] | None
"""Device and inode of a database's file; None where there is none."""


def identity(path: str) -> Identity:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


class Idle:
    """This process's open connections that nobody uses, the one used last first."""

    def __init__(self) -> None:
        self._kept: deque[tuple[Identity, sqlite3.Connection]] = deque()
        self._left: list[sqlite3.Connection] = []

    def take(self, wanted: Identity) -> sqlite3.Connection | None:
        """One to the file that is there now; None where there is none."""
        while self._kept:
            try:
                file, connection = self._kept.pop()
            except IndexError:  # another thread took the last one
                return None
            if file is not None and file == wanted:
                return connection
            self._leave(connection)
        return None

    def give(self, file: Identity, connection: sqlite3.Connection) -> bool:
        """Whether it is kept."""
        if len(self._kept) >= MOST:
            return False
        self._kept.append((file, connection))
        return True

    def close(self) -> None:
        while self._kept:
            self._kept.pop()[1].close()

    def forget(self) -> None:
        """In a fork: they are its parent's."""
        while self._kept:
            self._leave(self._kept.pop()[1])

    def _leave(self, connection: sqlite3.Connection) -> None:
        """Never closed: that would take away the write-ahead log of whoever has the file's name
        now, or the parent's.
        """
        self._left.append(connection)


idle = Idle()
atexit.register(idle.close)
os.register_at_fork(after_in_child=idle.forget)


class Cursor(django_base.SQLiteCursorWrapper):
    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        if param_names is None:
            return converted(query)
        return super().convert_query(query, param_names=param_names)  # type: ignore[no-any-return]


@lru_cache(maxsize=KEPT_TEXTS)
def converted(query: str) -> str:
    """With SQLite's marks for parameters: most statements are asked again and again."""
    return django_base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class DatabaseWrapper(django_base.DatabaseWrapper):
    _file: Identity = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self._file = identity(str(conn_params["database"]))
        return idle.take(self._file) or super().get_new_connection(conn_params)

    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=Cursor)

    def is_usable(self) -> bool:
        """Asked after an error alone: one that was opened while the file could not be written would
        never write.
        """
        return False

    def _close(self) -> None:
        if not (self._clean() and idle.give(self._file, self.connection)):
            self._end()

    def _end(self) -> None:
        if self.connection is not None:
            with self.wrap_database_errors:
                self.connection.close()

    def _clean(self) -> bool:
        """Whether the next one finds it as if it were new."""
        return (
            self._file is not None
            and self.connection is not None
            and not self.errors_occurred
            and not self.connection.in_transaction
            and self._file == identity(str(self.settings_dict["NAME"]))
        )
