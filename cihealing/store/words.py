"""Where words of runs are looked for: `RunWords`, which triggers write (migration 0007), by an
index over trigrams: `pg_trgm` of PostgreSQL, FTS5 of SQLite. Where the database has none, the words
of every run are read: the same is found, slowly.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from django.db import DatabaseError, connection, transaction

log = logging.getLogger(__name__)

INDEX = "cihealing_runwords_trigrams"
FTS = "cihealing_runwords_fts"
READ = "SELECT run_id FROM cihealing_runwords WHERE words"
MATCHED = """
    SELECT run_id FROM cihealing_runwords WHERE id IN
    (SELECT rowid FROM cihealing_runwords_fts WHERE cihealing_runwords_fts MATCH %s)"""
SHORTEST = 3
"""Characters of a trigram: shorter words are in no index."""


def prepare(**_: Any) -> None:
    """After every migration: the index of PostgreSQL, where its extension is there or may be made.
    Whoever made it by hand runs `migrate` again.
    """
    if connection.vendor != "postgresql" or not _exists("cihealing_runwords") or _exists(INDEX):
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            cursor.execute(
                f"CREATE INDEX {INDEX} ON cihealing_runwords USING gin (words gin_trgm_ops)"
            )
    except DatabaseError as error:
        log.warning("searching for words will be slow: %s (%s)", trouble(), str(error).strip())


def trouble() -> str:
    """Why searching for words is slow, and what to do; empty where it is not."""
    if connection.vendor == "postgresql":
        if _exists(INDEX):
            return ""
        return (
            "the extension pg_trgm is missing and may not be made by this user: have it made with"
            " `CREATE EXTENSION pg_trgm`, then run `cihealing migrate`"
        )
    return "" if _has_fts() else "this SQLite was built without FTS5 and its trigrams"


def found(word: str) -> tuple[str, list[str]]:
    """SQL that gives the ids of runs that mention `word`, upper and lower case alike, and its
    parameters.
    """
    if connection.vendor == "postgresql":
        return f"{READ} ILIKE %s", [f"%{escaped(word)}%"]
    if len(word) >= SHORTEST and _has_fts():
        return MATCHED, ['"' + word.replace('"', '""') + '"']
    return f"{READ} LIKE %s ESCAPE '\\'", [f"%{escaped(word)}%"]


def escaped(text: str) -> str:
    """The text as LIKE takes it for itself."""
    return "".join(f"\\{c}" if c in "\\%_" else c for c in text)


def _exists(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        return bool(cursor.fetchone()[0])


@cache
def _has_fts() -> bool:
    """Asked once: a migration makes it, and nothing takes it away."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = %s", [FTS])
        return cursor.fetchone() is not None
