"""For every test: no broker is told anything, and no test reaches beyond loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from cihealing import secrecy
from cihealing.web.rates import Rate

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cihealing.service.outbox.poke", lambda ids: None)


@pytest.fixture(autouse=True)
def _nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test taught to be secret is none in the next."""
    monkeypatch.setattr(secrecy, "_CURRENT", secrecy._List())


def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests posted a moment ago does not count."""
    monkeypatch.setattr("cihealing.web.ingest.rate", Rate())


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(host).startswith(LOOPBACK):
            raise AssertionError(f"a test wants to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


APPEND_ONLY = import_module("cihealing.migrations.0002_append_only")


@pytest.fixture
def _append_only_again(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    yield
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            APPEND_ONLY.forwards(None, editor)
        connection.close()


@pytest.fixture
def committed(_append_only_again: None, transactional_db: None) -> Iterator[None]:
    """A database whose rows other threads see. It is emptied afterwards, which its triggers refuse
    as long as they are there.
    """
    yield
    with connection.schema_editor() as editor:
        APPEND_ONLY.backwards(None, editor)
