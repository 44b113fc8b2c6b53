"""`cihealing publish --dry-run` and `cihealing leave`: what would be called, and a clean way
out.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError

from cihealing import registry
from cihealing.cli.shared.found import call_command
from cihealing.models import Run
from tests.domain.world import COMMIT
from tests.fakes.forge import OpenForge
from tests.fakes.service import Bench, failed, receive

pytestmark = pytest.mark.django_db


@pytest.fixture
def bench(asking: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> Bench:
    forge = OpenForge({"main": COMMIT})
    made = asking(forge=forge)
    made.trees.heads, made.forge = forge.heads, forge  # type: ignore[assignment]
    monkeypatch.setattr(registry, "tools", lambda: made.tools)
    receive(failed(), key="1")
    made.drain()
    return made


def told(*args: object, **options: object) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out, **options)
    return out.getvalue()


def test_a_dry_run_prints_the_calls_and_sends_none(bench: Bench) -> None:
    run = Run.objects.get()
    (line,) = told("publish", str(run.id), "--dry-run", "--json").splitlines()
    assert json.loads(line) == {
        "method": "POST",
        "url": "https://forge.example/pulls",
        "body": {"head": f"cihealing/{run.id}"},
    }
    assert bench.forge.calls == []


def test_without_dry_run_it_says_who_publishes(bench: Bench) -> None:
    with pytest.raises(CommandError, match="approves"):
        told("publish", str(Run.objects.get().id))


def test_a_run_without_a_proven_patch_has_nothing_to_publish(bench: Bench) -> None:
    with pytest.raises(CommandError, match="there is no run"):
        told("publish", str(uuid4()), "--dry-run")


def test_leaving_says_first_what_it_would_do(bench: Bench) -> None:
    assert "would abort 1 open runs" in told("leave", "acme/shop")
    assert Run.objects.get().status == "fixed"


def test_leaving_ends_the_runs_and_keeps_the_record(bench: Bench, tmp_path: Path) -> None:
    place = tmp_path / "audit.jsonl"
    said = json.loads(told("leave", "acme/shop", "--yes", "--json", export=place))
    assert (said["aborted"], Run.objects.get().status) == (1, "aborted")
    facts = [json.loads(line) for line in place.read_text().splitlines()]
    assert len(facts) > 5
