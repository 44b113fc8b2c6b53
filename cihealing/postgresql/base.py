"""The database backend `cihealing.postgresql`."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar
from weakref import WeakSet

import psycopg
from django.db import connections
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base as django_base
from django.db.utils import DEFAULT_DB_ALIAS
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from cihealing.circuit import Circuit
from cihealing.outages import met

IMPATIENT = 0.25
"""Seconds a caller waits for a free connection until it is looked whether the server is there at
all.
"""
CONNECTING = 2
"""Seconds a server may take to let us in (libpq takes no less)."""

circuit = Circuit("the database")


class Away(psycopg.OperationalError):
    """The server is known not to answer: it was not asked."""


class Pool(ConnectionPool[Any]):
    """A pool whose callers wait for a busy server, and are told at once of one that is away."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.made: WeakSet[Any] = WeakSet()
        configure = options.pop("configure")

        def prepare(connection: Any) -> None:
            self.made.add(connection)
            configure(connection)

        super().__init__(*args, configure=prepare, **options)

    def getconn(self, timeout: float | None = None) -> Any:
        for _ in range(self.max_size + 1):
            found = self._waited_for(self.timeout if timeout is None else timeout)
            if not hung_up(found):
                return found
            # It lay here while the server was restarted: the pool makes another one.
            found.close()
            self.putconn(found)
        raise Away("every connection broke")

    def _waited_for(self, timeout: float) -> Any:
        try:
            with suppress(PoolTimeout):
                return super().getconn(min(IMPATIENT, timeout))
            suspect()
            return super().getconn(timeout)
        except (PoolClosed, PoolTimeout):
            if circuit.open:
                raise Away(circuit.why) from None
            raise

    def hang_up(self) -> None:
        """End every connection from our side: who waits for an answer that will not come is told
        so.
        """
        for connection in list(self.made):
            with suppress(OSError, psycopg.Error):
                shut(connection.fileno())


def hung_up(connection: Any) -> bool:
    """Whether the server ended an idle connection: it has something to read, which nobody asked
    for. Costs no round trip.
    """
    poll = select.poll()
    try:
        poll.register(connection.fileno(), select.POLLIN)
    except (OSError, psycopg.Error):
        return True
    return bool(poll.poll(0))


def shut(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        copy.shutdown(socket.SHUT_RDWR)


class DatabaseWrapper(django_base.DatabaseWrapper):
    _connection_pools: ClassVar[dict[str, Any]]
    _configure_connection: Callable[[Any], Any]

    @property
    def pool(self) -> Any:
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        found = self._connection_pools.get(self.alias)
        if found is not None:
            return found
        parameters = {**self.get_connection_params(), "autocommit": True}
        made = Pool(kwargs=parameters, open=False, configure=self._configure_connection, **options)
        return self._connection_pools.setdefault(self.alias, made)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if circuit.open and self.pool:
            raise Away(circuit.why)
        return super().get_new_connection(conn_params)


def suspect() -> None:
    """Look, beside the caller, whether the server answers; until it does, nobody waits for it."""
    circuit.suspect(look, opened=let_go, closed=mend)


def look() -> None:
    """Raises psycopg.Error where the server does not let us in and answer. A connection of its own:
    the pool's may be broken or busy.
    """
    parameters = connections[DEFAULT_DB_ALIAS].get_connection_params()
    with psycopg.connect(
        **{**parameters, "autocommit": True, "connect_timeout": CONNECTING}
    ) as connection:
        connection.execute("SELECT 1")


def let_go() -> None:
    """Who waits in the pool is told; the next one to ask after the server is back gets a new pool,
    which has no broken connection.
    """
    pool = DatabaseWrapper._connection_pools.pop(DEFAULT_DB_ALIAS, None)
    if pool is not None:
        pool.hang_up()
        pool.close(timeout=0)


def mend() -> None:
    """It answers: what broke in the pool meanwhile is replaced."""
    pool = DatabaseWrapper._connection_pools.get(DEFAULT_DB_ALIAS)
    if pool is not None and not pool.closed:
        pool.check()


met.suspects.append(suspect)
