"""For every test: no broker is told anything, and no test reaches beyond loopback."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from cihealing.rates import Rate

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cihealing.service.outbox.poke", lambda ids: None)


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests posted a moment ago does not count."""
    monkeypatch.setattr("cihealing.ingest.rate", Rate())


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(host).startswith(LOOPBACK):
            raise AssertionError(f"a test wants to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
