"""`DATABASE_URL` as Django wants it. SQLite is the embedded size, PostgreSQL the production
size.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

BUSY_TIMEOUT = 20
"""Seconds a writer waits for SQLite's lock; without it, six of ten concurrent deliveries failed."""
PATIENCE = {"connect_timeout": "5", "tcp_user_timeout": "10000", "keepalives_idle": "30"}
"""Of PostgreSQL's client, in s, ms and s: a server behind a broken network would else be waited for
by the kernel's 15 minutes.
"""


def database(url: str, *, data_directory: Path, pool: int) -> dict[str, Any]:
    """Raises ImproperlyConfigured for an unknown scheme."""
    parts = urlsplit(url)
    match parts.scheme:
        case "":
            return sqlite(data_directory / "cihealing.sqlite3")
        case "sqlite" | "sqlite3":
            return sqlite(Path(unquote(parts.path)))
        case "postgres" | "postgresql":
            return postgresql(url, pool=pool)
        case scheme:
            raise ImproperlyConfigured(
                f"DATABASE_URL starts with {scheme}://; use postgresql:// or sqlite:///"
            )


def sqlite(path: Path) -> dict[str, Any]:
    # The test database is a file of its own, not memory: threads of one test then meet the same
    # locks as in production.
    test_file = Path(tempfile.gettempdir()) / f"cihealing-test-{os.getpid()}.sqlite3"
    return {
        "ENGINE": "cihealing.sqlite",
        "NAME": str(path),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": BUSY_TIMEOUT,
            # FULL: in WAL mode a commit is on the disk only then, and what was acknowledged must
            # outlive a loss of power. On every connection: an outcome that was acted on outside (a
            # merge, a rerun) must not be forgotten either.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
        "TEST": {"NAME": str(test_file)},
    }


def postgresql(url: str, *, pool: int) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "ENGINE": "cihealing.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            **PATIENCE,
            **dict(parse_qsl(parts.query)),
            "server_side_binding": True,
            "prepare_threshold": 5,
            # A pool, not CONN_MAX_AGE: under ASGI every thread would keep a connection of its own
            # and leak it. Its time-out is for a busy server; a server that is away is told at once
            # (cihealing/postgresql).
            "pool": {"min_size": 1, "max_size": pool, "timeout": 10},
        },
    }
