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

from cihealing.sqlite.turns import turns

MOST = 16
"""Idle connections that are kept: each holds three file descriptors."""
KEPT_TEXTS = 512
PATIENCE = 20.0
"""Seconds to wait for a turn; who waited in vain asks SQLite itself."""
WRITING = ("INSERT", "UPDATE", "DELETE")
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
    def execute(self, query: str, params: Any = None) -> Any:
        """A statement that writes by itself waits for its turn; within a transaction it has it."""
        connection = self.connection
        if connection.in_transaction or not query.startswith(WRITING):
            return super().execute(query, params)
        mine = turns.take(patience=PATIENCE)
        try:
            return super().execute(query, params)
        finally:
            if mine:
                turns.give()

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        if param_names is None:
            return converted(query)
        return super().convert_query(query, param_names=param_names)


@lru_cache(maxsize=KEPT_TEXTS)
def converted(query: str) -> str:
    """With SQLite's marks for parameters: most statements are asked again and again."""
    return django_base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class DatabaseWrapper(django_base.DatabaseWrapper):
    _file: Identity = None
    _mine = False
    """Whether a transaction of this connection has the turn."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self._file = identity(str(conn_params["database"]))
        return idle.take(self._file) or super().get_new_connection(conn_params)

    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=Cursor)

    def schema_editor(self, *args: Any, **options: Any) -> Any:
        """After a look at what there is: of what others made or dropped since, a kept connection
        learns by a query, and by no statement that changes the schema.
        """
        with self.cursor() as cursor:
            cursor.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        return super().schema_editor(*args, **options)

    def is_usable(self) -> bool:
        """Asked after an error alone: one that was opened while the file could not be written would
        never write.
        """
        return False

    def _start_transaction_under_autocommit(self) -> None:
        self._mine = turns.take(patience=PATIENCE)
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._hand_on()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._hand_on()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._hand_on()

    def _hand_on(self) -> None:
        if self._mine:
            self._mine = False
            turns.give()

    def _close(self) -> None:
        try:
            if not (self._clean() and idle.give(self._file, self.connection)):
                self._end()
        finally:
            self._hand_on()

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
