"""What is looked for is found: among the newest runs by reading them, beyond by the indexes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from cihealing import models
from cihealing.domain import events as e
from cihealing.read import runs, search
from cihealing.read.access import Viewer
from cihealing.store import words
from tests import factories as make

pytestmark = pytest.mark.django_db
ALL = Viewer(name="ann")


@pytest.fixture(autouse=True)
def _few_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WINDOW", 2)


def run_of(number: int, *facts: e.RunEvent, **changed: Any) -> UUID:
    begun = make.NOW + timedelta(minutes=number)
    asked = {"error_hash": f"v1:{number:064x}", "commit": f"{number:040x}", **changed}
    return make.make_run(facts, begun=begun, **asked)


def found(q: str, **asked: Any) -> list[UUID]:
    return [row.id for row in runs.page(ALL, q=q, **asked).rows]


def many() -> None:
    for number in range(10, 16):
        run_of(number)


@pytest.mark.parametrize(
    ("changed", "q"),
    [
        ({"repository": "acme/quokka"}, "QUOKKA"),
        ({"branch": "fix/Quokka-1"}, "quokka"),
        ({"job": "e2e quokka"}, "e2e quo"),
        ({"error_type": "QuokkaError"}, "okkaerr"),
        ({"summary": "100% of quokkas"}, "100% of"),
        ({"summary": "a_b is none"}, "a_b"),
        ({"summary": 'says "quokka"'}, '"quokka"'),
        ({"summary": "a\\b"}, "a\\b"),
        ({"summary": "it's AND OR NOT NEAR"}, "and or not"),
        ({"commit": "abcdef" + "0" * 34}, "ABCDEF"),
        ({"error_hash": "v1:" + "ef" * 32}, "v1:efef"),
    ],
)
def test_what_is_old_is_found_by_an_index(changed: dict[str, Any], q: str) -> None:
    old = run_of(1, **changed)
    many()
    assert found(q) == [old]
    assert runs.page(ALL, q=q).total == 1
    assert not runs.page(ALL, q=q).total_capped


@pytest.mark.parametrize("q", ["acmexshop", "100%", "zzz", "fedcba", 'x" OR "', "*"])
def test_what_nothing_mentions_is_not_found(q: str) -> None:
    run_of(1, summary="1000 things")
    many()
    assert found(q) == []


def test_two_letters_are_looked_for_among_the_newest_alone() -> None:
    run_of(1, summary="qz")
    many()
    page = runs.page(ALL, q="qz")
    assert (page.rows, page.total, page.total_capped) == ((), 0, True)
    new = run_of(20, summary="qz")
    assert found("qz") == [new]


def test_pages_and_cursors_walk_all_hits_once_in_order() -> None:
    ids = [run_of(n, summary="quokka" if n % 3 else "else") for n in range(12)]
    wanted = [i for n, i in enumerate(ids) if n % 3][::-1]
    page, walked = runs.page(ALL, q="quokka", page_size=3), []
    walked += [row.id for row in page.rows]
    while page.next_cursor:
        page = runs.page(ALL, q="quokka", page_size=3, cursor=page.next_cursor)
        walked += [row.id for row in page.rows]
    assert walked == wanted
    numbered = [i for n in (1, 2, 3) for i in found("quokka", page_size=3, page=n)]
    assert numbered == wanted


def test_a_status_and_a_repository_narrow_what_is_found() -> None:
    fixed = run_of(1, *make.proven(), summary="quokka", repository="acme/till")
    run_of(2, summary="quokka", repository="acme/till")
    run_of(3, *make.proven(), summary="quokka")
    many()
    assert found("quokka", status="fixed", repository="acme/till") == [fixed]


def test_attached_runs_and_those_a_viewer_may_not_see_are_not_found() -> None:
    leader = run_of(1, *make.classified(), e.BaseClaimed(branch="main", head=make.COMMIT))
    run_of(2, *make.classified(), e.AttachedToBase(leader=leader), summary="quokka")
    run_of(3, repository="secret/quokka")
    many()
    assert [
        r.id for r in runs.page(Viewer(name="b", repositories=("acme/*",)), q="quokka").rows
    ] == []


def test_what_is_searched_follows_the_run() -> None:
    run_id = run_of(1)
    models.Run.objects.filter(id=run_id).update(owner="@quokka")
    many()
    assert found("quokka") == [run_id]
    models.Run.objects.filter(id=run_id).update(owner="")
    assert found("quokka") == []
    models.Run.objects.filter(id=run_id).delete()
    assert not models.RunWords.objects.filter(run_id=run_id).exists()


def test_without_an_index_the_same_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX {words.INDEX}")
    else:
        monkeypatch.setattr(words, "_has_fts", lambda: False)
    old = run_of(1, summary="50% quokka_x")
    many()
    assert found("0% QUOKKA_") == [old]
    assert words.trouble()


def test_an_extension_that_may_not_be_made_is_told_and_does_not_stop_a_migration(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no extensions")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {words.INDEX}")
        cursor.execute("DROP EXTENSION pg_trgm")
        cursor.execute("CREATE ROLE cihealing_weak NOLOGIN")
        cursor.execute("GRANT USAGE ON SCHEMA public TO cihealing_weak")
        cursor.execute("SET LOCAL ROLE cihealing_weak")
        words.prepare()
        assert "pg_trgm" in words.trouble()
        cursor.execute("RESET ROLE")
    assert "searching for words will be slow" in caplog.text
    words.prepare()
    assert words.trouble() == ""
