"""What was acknowledged is on the disk: every connection that may write a delivery waits for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from cihealing.store import rows
from tests.fakes.service import failed, receive

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        "connection.vendor != 'sqlite'",
        reason="PostgreSQL commits durably unless its server is told otherwise",
    ),
]
DURABLE = (2, "wal")
"""`PRAGMA synchronous` FULL, and the journal it holds for."""


def pragmas() -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        return tuple(
            cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode")
        )


def test_the_connection_that_writes_a_delivery_commits_to_the_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    insert = rows.insert

    def spied(*args: Any, **kwargs: Any) -> int:
        seen.append(pragmas())
        return insert(*args, **kwargs)

    monkeypatch.setattr(rows, "insert", spied)
    receive(failed(), key="1")
    assert seen
    assert set(seen) == {DURABLE}


def test_so_does_the_connection_of_every_thread() -> None:
    def asked(_: int) -> tuple[Any, ...]:
        try:
            return pragmas()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(asked, range(4))) == {DURABLE}
