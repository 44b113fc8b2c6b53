"""SQLite as it is used here: connections that are kept, and writers that come in turn."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cihealing.sqlite import base
from cihealing.sqlite.base import DatabaseWrapper, Idle
from cihealing.sqlite.turns import Turns
from config.databases import sqlite
from tests.faults.test_outages import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Idle]:
    found = Idle()
    monkeypatch.setattr(base, "idle", found)
    yield found
    found.close()


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    found = Turns()
    monkeypatch.setattr(base, "turns", found)
    return found


def opened(path: Path) -> DatabaseWrapper:
    """A connection as a thread of its own would have it."""
    default: dict[str, Any] = {
        "ATOMIC_REQUESTS": False,
        "AUTOCOMMIT": True,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": False,
        "TIME_ZONE": None,
    }
    wrapper = DatabaseWrapper({**default, **sqlite(path)}, "default")
    wrapper.connect()
    return wrapper


def asked(wrapper: DatabaseWrapper, text: str) -> Any:
    with wrapper.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchone()


def prepared(path: Path) -> Path:
    """With a table; and there before it is opened, as a database that is in use is."""
    path.touch()
    wrapper = opened(path)
    asked(wrapper, "CREATE TABLE t (n INTEGER)")
    wrapper.close()
    return path


def test_a_closed_connection_is_the_next_ones(idle: Idle, tmp_path: Path) -> None:
    first = opened(prepared(tmp_path / "d"))
    kept = first.connection
    first.close()
    assert opened(tmp_path / "d").connection is kept


def test_two_at_once_are_two(idle: Idle, tmp_path: Path) -> None:
    first, second = opened(prepared(tmp_path / "d")), opened(tmp_path / "d")
    assert first.connection is not second.connection


def test_what_is_not_committed_is_nobody_elses(idle: Idle, tmp_path: Path) -> None:
    first = opened(prepared(tmp_path / "d"))
    asked(first, "BEGIN IMMEDIATE")
    asked(first, "INSERT INTO t VALUES (1)")
    first.close()
    assert asked(opened(tmp_path / "d"), "SELECT COUNT(*) FROM t") == (0,)


def test_a_connection_that_met_an_error_is_not_kept(idle: Idle, tmp_path: Path) -> None:
    first = opened(prepared(tmp_path / "d"))
    kept = first.connection
    first.errors_occurred = True
    first.close_if_unusable_or_obsolete()
    assert opened(tmp_path / "d").connection is not kept


def test_a_database_put_in_the_place_of_another_is_the_one_that_is_asked(
    idle: Idle, tmp_path: Path
) -> None:
    opened(prepared(tmp_path / "d")).close()
    backup = prepared(tmp_path / "backup")
    with sqlite3.connect(backup) as connection:
        connection.execute("INSERT INTO t VALUES (7)")
    connection.close()
    backup.replace(tmp_path / "d")
    assert asked(opened(tmp_path / "d"), "SELECT n FROM t") == (7,)


def test_a_kept_connection_changes_the_schema_that_is_there_now(idle: Idle, tmp_path: Path) -> None:
    first, second = opened(prepared(tmp_path / "d")), opened(tmp_path / "d")
    asked(first, "SELECT n FROM t")
    asked(second, "CREATE TRIGGER one AFTER DELETE ON t BEGIN SELECT 1; END")
    asked(first, "SELECT n FROM t")
    asked(second, "DROP TRIGGER one")
    first.close()
    third = opened(tmp_path / "d")
    with third.schema_editor() as editor:
        editor.execute("CREATE TRIGGER one AFTER DELETE ON t BEGIN SELECT 1; END")


def test_a_fork_has_none_of_its_parents(idle: Idle, tmp_path: Path) -> None:
    first = opened(prepared(tmp_path / "d"))
    kept = first.connection
    first.close()
    idle.forget()
    assert opened(tmp_path / "d").connection is not kept
    assert kept.execute("SELECT 1").fetchone() == (1,), "and closes none"


def test_who_came_first_is_first() -> None:
    turns, order = Turns(), list[int]()
    assert turns.take(patience=0)

    def write(number: int) -> None:
        turns.take(patience=10)
        order.append(number)
        turns.give()

    threads = [Thread(target=write, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads, start=1):
        thread.start()
        wait_until(lambda number=number: len(turns._waiting) == number)  # type: ignore[misc]
    turns.give()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_who_waits_in_vain_leaves_the_row() -> None:
    turns = Turns()
    assert turns.take(patience=0)
    began = time.monotonic()
    assert not turns.take(patience=0.01)
    assert time.monotonic() - began < 5
    turns.give()
    assert turns.take(patience=0)


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_a_transaction_has_the_turn_to_its_end(
    idle: Idle, turns: Turns, tmp_path: Path, end: str
) -> None:
    first = opened(prepared(tmp_path / "d"))
    first._start_transaction_under_autocommit()
    assert not turns.take(patience=0)
    getattr(first, f"_{end}")()
    assert turns.take(patience=0)


def test_so_has_a_statement_that_writes_by_itself(idle: Idle, turns: Turns, tmp_path: Path) -> None:
    first = opened(prepared(tmp_path / "d"))
    turns.take(patience=0)
    thread = Thread(target=lambda: asked(first, "INSERT INTO t VALUES (1)"))
    first.inc_thread_sharing()
    thread.start()
    wait_until(lambda: bool(turns._waiting))
    turns.give()
    thread.join()
    assert turns.take(patience=0), "and handed on"


def test_a_transaction_that_could_not_begin_hands_the_turn_on(
    idle: Idle, turns: Turns, tmp_path: Path
) -> None:
    first = opened(prepared(tmp_path / "d"))
    first.connection.close()
    with pytest.raises(Exception, match="closed"):
        first._start_transaction_under_autocommit()
    assert turns.take(patience=0)
