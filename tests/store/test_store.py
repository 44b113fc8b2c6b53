"""The store: races, the chain, what the database refuses, purging."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.utils import InternalError

from cihealing import store
from cihealing.domain import events as e
from cihealing.domain.values import SERVICE
from cihealing.models import Artifact, StoredEvent
from tests.domain.world import ANN, NOW, RUN, queued

pytestmark = pytest.mark.django_db
STREAM = UUID(int=3)


def fact(event: e.AnyEvent) -> e.Envelope:
    return e.Envelope(event=event, at=NOW, actor=SERVICE, source="test", run_id=RUN)


def write_three() -> None:
    store.append(STREAM, [fact(queued()), fact(e.RunStarted())], expected_version=0)
    store.append(STREAM, [fact(e.RunResolved(how="flake"))], expected_version=2)


def test_what_is_appended_is_loaded_as_it_was() -> None:
    write_three()
    assert [x.event for x in store.load(STREAM)] == [
        queued(),
        e.RunStarted(),
        e.RunResolved(how="flake"),
    ]
    assert [x.event for x in store.load(STREAM, after=2)] == [e.RunResolved(how="flake")]


@pytest.mark.parametrize("version", [0, 2, 4])
def test_an_append_at_another_version_is_refused(version: int) -> None:
    write_three()
    with pytest.raises(store.StreamMoved):
        store.append(STREAM, [fact(e.RunStarted())], expected_version=version)
    assert StoredEvent.objects.filter(stream=STREAM).count() == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cihealing_storedevent SET tag = 'x'",
        "DELETE FROM cihealing_storedevent",
        "TRUNCATE cihealing_storedevent",
    ],
)
def test_the_database_refuses_to_change_events(statement: str) -> None:
    if statement.startswith("TRUNCATE") and connection.vendor == "sqlite":
        pytest.skip("SQLite has no TRUNCATE; its DELETE is refused above")
    write_three()
    with (
        pytest.raises((DatabaseError, InternalError)),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert StoredEvent.objects.count() == 3


def without_triggers() -> None:
    """What someone with the database's own rights can do."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ALTER TABLE cihealing_storedevent DISABLE TRIGGER USER")
        else:
            cursor.execute("DROP TRIGGER cihealing_event_no_update")
            cursor.execute("DROP TRIGGER cihealing_event_no_delete")


def rows() -> list[StoredEvent]:
    return list(StoredEvent.objects.filter(stream=STREAM).order_by("version"))


def test_one_edited_byte_is_found() -> None:
    write_three()
    without_triggers()
    row = rows()[1]
    StoredEvent.objects.filter(id=row.id).update(data=row.data.replace("cihealing", "cihealinG", 1))
    assert [(f.version, f.problem) for f in store.verify()] == [
        (2, "its text is not what was hashed")
    ]


def test_an_edit_with_a_recomputed_hash_breaks_the_link_of_the_next() -> None:
    write_three()
    without_triggers()
    row = rows()[1]
    data = row.data.replace("cihealing", "cihealinG", 1)
    StoredEvent.objects.filter(id=row.id).update(
        data=data, hash=store.link(STREAM, 2, row.tag, data, row.previous)
    )
    assert [f.version for f in store.verify()] == [3]


def test_a_removed_fact_leaves_a_gap() -> None:
    write_three()
    without_triggers()
    StoredEvent.objects.filter(id=rows()[1].id).delete()
    assert {f.problem for f in store.verify()} == {
        "follows version 1",
        "is not linked to the fact before it",
    }


def test_a_column_that_says_something_else_is_found() -> None:
    write_three()
    without_triggers()
    StoredEvent.objects.filter(id=rows()[2].id).update(run_id=STREAM)
    assert [f.problem for f in store.verify()] == ["its columns do not say what its text says"]


def test_a_tag_of_a_newer_release_is_not_guessed_at() -> None:
    with pytest.raises(store.UnknownEvent):
        store.decode(
            "run.teleported.v1",
            store.encode(fact(e.RunStarted())).replace("run.started.v1", "run.teleported.v1"),
        )


def test_content_is_stored_once_and_comes_back_whole() -> None:
    digest = store.put("log\n" * 1000, kind="log", now=NOW)
    assert store.put("log\n" * 1000, kind="log", now=NOW) == digest
    assert (Artifact.objects.count(), store.artifact_bytes(digest)) == (1, b"log\n" * 1000)


def test_purging_forgets_the_content_and_leaves_the_chain_whole() -> None:
    write_three()
    digest = store.put("secret", kind="log", now=NOW)
    assert store.purge(digest, reason="asked for", actor=ANN, now=NOW)
    assert not store.purge(digest, reason="again", actor=ANN, now=NOW)
    assert store.artifact_bytes(digest) is None
    assert Artifact.objects.get(digest=digest).size == 6
    assert [x.event for x in store.load(store.artifact_stream(digest))] == [
        e.ArtifactPurged(digest=digest, size=6, reason="asked for")
    ]
    assert list(store.verify()) == []


def test_a_damaged_artifact_is_found() -> None:
    digest = store.put("whole", kind="log", now=NOW)
    Artifact.objects.filter(digest=digest).update(
        content=Artifact.objects.get(digest=store.put("other", kind="log", now=NOW)).content
    )
    assert list(store.damaged_artifacts()) == [digest]
