"""`cihealing rehash`: after an upgrade of the rules, a failure is still known by what was stored of
it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest

from cihealing import service, store
from cihealing.cli.shared.found import call_command
from cihealing.domain.values import Actor
from cihealing.models import BaseClaim, IgnoredFingerprint, Outbox, Run, StoredEvent
from cihealing.reading import fingerprint
from cihealing.store import rebuilding
from tests.domain.world import ANN
from tests.fakes.service import OTHER_LOG, failed, receive
from tests.service.test_service import snapshot

pytestmark = pytest.mark.django_db


def before_the_upgrade(monkeypatch: pytest.MonkeyPatch, *results: tuple[str, Any]) -> None:
    """Deliveries that the older release read."""
    with monkeypatch.context() as older:
        older.setattr(fingerprint, "VERSION", "v1")
        for key, result in results:
            receive(result, key=key)


def said(*options: str) -> str:
    out = StringIO()
    call_command("rehash", *options, stdout=out)
    return out.getvalue()


def told(*options: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in said("--json", *options).splitlines()]


def hashes() -> list[str]:
    return list(Run.objects.order_by("created_at", "id").values_list("error_hash", flat=True))


def test_a_delivery_after_the_upgrade_joins_the_run_from_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before_the_upgrade(monkeypatch, ("1", failed(1)))
    run, waiting = Run.objects.get(), Outbox.objects.count()
    assert run.error_hash.startswith("v1:")
    assert told() == [
        {
            "runId": str(run.id),
            "old": run.error_hash,
            "new": run.error_hash.replace("v1:", "v2:"),
            "kept": "",
        }
    ]
    assert Outbox.objects.count() == waiting
    again = receive(failed(2), key="2").outcomes[0]
    assert (again.run_id, again.deduplicated, Run.objects.count()) == (run.id, True, 1)


def test_without_it_the_same_failure_would_begin_another_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before_the_upgrade(monkeypatch, ("1", failed(1)))
    receive(failed(2), key="2")
    assert Run.objects.count() == 2


def test_the_same_failure_on_a_newer_commit_supersedes_the_run_from_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before_the_upgrade(monkeypatch, ("1", failed(1)))
    said()
    receive(failed(2, commit="d" * 40), key="2")
    assert sorted(Run.objects.values_list("status", flat=True)) == ["aborted", "queued"]


def test_what_was_silenced_stays_so_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    before_the_upgrade(monkeypatch, ("1", failed(1)))
    service.ignore_fingerprint(hashes()[0], reason="known", by=ANN)
    said()
    assert set(IgnoredFingerprint.objects.values_list("error_hash", "reason")) == {
        (h, "known") for h in (hashes()[0], hashes()[0].replace("v2:", "v1:"))
    }
    assert "silenced" in receive(failed(2, commit="d" * 40), key="2").outcomes[0].ignored


def test_twice_changes_nothing_and_rebuild_writes_the_same_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before_the_upgrade(monkeypatch, ("1", failed(1)), ("2", failed(2, log=OTHER_LOG)))
    service.ignore_fingerprint(hashes()[0], reason="known", by=ANN)
    assert "2 runs got v2 fingerprints, 0 kept" in said()
    events, rows = StoredEvent.objects.count(), snapshot()
    assert said() == "every run's is v2\n"
    rebuilding.rebuild()
    assert (StoredEvent.objects.count(), snapshot(), list(store.verify())) == (events, rows, [])


def test_a_base_claim_gets_the_new_hash_and_rebuild_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    from cihealing.domain import events as e

    before_the_upgrade(monkeypatch, ("1", failed(1)))
    run = Run.objects.get()
    claimed = e.Envelope(
        event=e.BaseClaimed(branch="main", head="c" * 40),
        at=datetime.now(UTC),
        actor=ANN,
        source="test",
        run_id=run.id,
    )
    store.append(run.id, [claimed], expected_version=run.version)
    rebuilding.rebuild()
    said()
    rows = snapshot()
    assert BaseClaim.objects.get().error_hash == hashes()[0]
    rebuilding.rebuild()
    assert snapshot() == rows


def test_a_dry_run_says_what_would_be_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before_the_upgrade(monkeypatch, ("1", failed(1)))
    old, events = hashes()[0], StoredEvent.objects.count()
    assert f"{old} -> {old.replace('v1:', 'v2:')}" in said("--dry-run")
    assert (hashes(), StoredEvent.objects.count()) == ([old], events)


def test_where_the_log_is_purged_the_old_hash_stays_and_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before_the_upgrade(monkeypatch, ("1", failed(1)))
    old, log = hashes()[0], service.get(Run.objects.get().id).failure.log
    store.purge(
        log, reason="asked for", actor=Actor(kind="person", name="ann"), now=datetime.now(UTC)
    )
    assert told()[0]["kept"] == "its log is purged"
    assert (hashes(), "1 kept their old ones" in said()) == ([old], True)


def test_a_weak_run_gets_the_weak_hash_of_a_new_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    before_the_upgrade(monkeypatch, ("1", failed(1, log="", conclusion="timed_out")))
    said()
    assert receive(failed(2, log="", conclusion="timed_out"), key="2").outcomes[0].deduplicated


def test_of_two_runs_that_become_one_failure_the_first_has_the_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before_the_upgrade(monkeypatch, ("1", failed(1)))
    receive(failed(2), key="2")
    assert "of this commit or base has the new one" in told()[0]["kept"]
    assert sorted(h[:3] for h in hashes()) == ["v1:", "v2:"]
