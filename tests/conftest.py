"""For every test: no broker is told anything, and no test reaches beyond loopback."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings

from cihealing import secrecy
from cihealing.web.rates import Rate
from tests.http.servers import certified

# A busy machine is no fault of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[Any]) -> None:
    """A PostgreSQL server for each worker, where TEST_DATABASE_URLS names them: on one server the
    open transactions of one worker hold back what another may read of the global feed.
    """
    for spec, url in zip(specs, os.environ.get("TEST_DATABASE_URLS", "").split(), strict=False):
        spec.env["DATABASE_URL"] = url


# Thousands of tests and the libraries stay to the end: to look for garbage among them, while they
# are made or later, only loses time.
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks for Django's database knows the database; what starts a service of its own on it
    says so itself.
    """
    for item in items:
        if {"db", "transactional_db"} & set(getattr(item, "fixturenames", ())) or (
            item.get_closest_marker("django_db") is not None
        ):
            item.add_marker("database")


@pytest.fixture(autouse=True, scope="session")
def _no_broker() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cihealing.service.outbox.poke", lambda ids: None)
        yield


@pytest.fixture(autouse=True)
def _nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test taught to be secret is none in the next."""
    monkeypatch.setattr(secrecy, "_CURRENT", secrecy._List())


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests posted a moment ago does not count."""
    monkeypatch.setattr("cihealing.web.ingest.rate", Rate())


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(host).startswith(LOOPBACK):
            raise AssertionError(f"a test wants to reach {host}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(autouse=True, scope="session")
def _nobody_is_trusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One certificate of nobody's in place of the world's: no test meets another, and to read them
    all takes each client 35 ms.
    """
    place = tmp_path_factory.mktemp("trusted")
    _, certificate = certified("nobody.example", directory=place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        patch.setenv("SSL_CERT_DIR", str(place / "none"))
        yield


TRIGGERS = [
    import_module("cihealing.migrations.0002_append_only"),
    import_module("cihealing.migrations.0007_figures"),
]


@pytest.fixture
def _append_only_again(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    yield
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            for triggers in TRIGGERS:
                triggers.forwards(None, editor)
        connection.close()


@pytest.fixture
def committed(_append_only_again: None, transactional_db: None) -> Iterator[None]:
    """A database whose rows other threads see. It is emptied afterwards, which its triggers refuse
    as long as they are there.
    """
    yield
    with connection.schema_editor() as editor:
        for triggers in TRIGGERS:
            triggers.backwards(None, editor)
