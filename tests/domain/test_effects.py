"""What each effect is, listed once more: whoever changes it does so on purpose."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from cihealing.domain import commands as c
from cihealing.domain import effects as f
from cihealing.domain.run import Rerun, RunChange, RunReview, RunState, change
from cihealing.domain.values import Actor, Purpose, RunStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANN = Actor(kind="person", name="ann")
FACTS = ("quiet", "irrevocable", "outliving", "healing", "one_at_a_time", "unending")
TABLE = {
    "classify": {"healing"},
    "find_project": {"healing"},
    "run_command": {"healing"},
    "find_blame": {"healing"},
    "ask_rerun": {"healing", "irrevocable"},
    "collect_rerun": {"healing", "outliving"},
    "try_fixers": {"healing"},
    "ask_model": {"healing"},
    "judge_proof": {"healing"},
    "write_report": set(),
    "explain": set(),
    "say": {"quiet"},
    "watch_change": {"unending"},
    "close_change": {"quiet", "outliving"},
    "check_human_fix": {"quiet", "outliving"},
    "tell": {"quiet", "outliving", "one_at_a_time"},
    "publish": {"irrevocable"},
    "release_followers": {"outliving"},
    "deadline_timer": set(),
    "review_timer": set(),
    "rerun_timer": set(),
    "tell_budget": {"quiet"},
    "read_failure": set(),
    "expand_result": set(),
}


def test_every_effect_is_what_the_table_says() -> None:
    found = {
        name: {fact for fact in FACTS if getattr(kind, fact)} for name, kind in f.KINDS.items()
    }
    assert found == TABLE


def test_a_fact_names_the_effects_it_holds_for() -> None:
    assert set(f.names(lambda kind: kind.irrevocable)) == {"publish", "ask_rerun"}


UNFIXED = {status: RunState(id=uuid4(), version=3, status=status) for status in RunStatus}
FIXED = UNFIXED[RunStatus.FIXED]
RUNNING = UNFIXED[RunStatus.RUNNING]
HEALABLE = {RunStatus.QUEUED, RunStatus.RUNNING}
URL = "https://forge.example/1"


@pytest.mark.parametrize(
    ("effect", "statuses"),
    [
        (f.Classify(), HEALABLE),
        (f.RunCommand(purpose=Purpose.REPRODUCE, commit="c"), HEALABLE),
        (f.WriteReport(), {RunStatus.ESCALATED}),
        (f.Explain(), {RunStatus.ESCALATED}),
        (f.Tell(kind="resolved"), set(RunStatus)),
        (f.CloseChange(url=URL, reason=""), set(RunStatus)),
        (f.DeadlineTimer(), set(RunStatus)),
        (f.Publish(act="publish", patch="", head="", target=""), set()),
        (f.WatchChange(url=URL), set()),
        (f.CollectRerun(number=1, handle="h"), set()),
    ],
    ids=lambda value: value.name() if isinstance(value, f.Effect) else "",
)
def test_an_effect_is_wanted_in_these_statuses(
    effect: f.RunEffect, statuses: set[RunStatus]
) -> None:
    assert {status for status, run in UNFIXED.items() if effect.wanted(run)} == statuses


@pytest.mark.parametrize(
    ("effect", "run", "fields", "spoilt"),
    [
        (
            f.Publish(act="publish", patch="", head="", target=""),
            FIXED,
            {"review": RunReview(approved_by=ANN)},
            {"status": RunStatus.ABORTED},
        ),
        (
            f.WatchChange(url=URL),
            FIXED,
            {"change": RunChange(open=True, url=URL)},
            {"change": RunChange(open=True, url="https://forge.example/2")},
        ),
        (
            f.CollectRerun(number=1, handle="h"),
            RUNNING,
            {"reruns": (Rerun(number=1, handle="h"),)},
            {"reruns": (Rerun(number=2, handle="h"),)},
        ),
    ],
    ids=("publish", "watch_change", "collect_rerun"),
)
def test_an_effect_is_wanted_while_what_it_is_for_waits(
    effect: f.RunEffect, run: RunState, fields: dict[str, Any], spoilt: dict[str, Any]
) -> None:
    waiting = change(run, **fields)
    assert effect.wanted(waiting)
    assert not effect.wanted(change(waiting, **spoilt))


@pytest.mark.parametrize(
    ("timer", "command"),
    [
        (f.DeadlineTimer(not_before=NOW), c.PassDeadline(promised=NOW)),
        (f.ReviewTimer(version=4), c.ExpireReview(version=4)),
        (f.RerunTimer(number=2), c.LoseRerun(number=2)),
    ],
)
def test_a_timer_tells_the_run(timer: f.Timer, command: c.RunCommand) -> None:
    assert timer.command() == command
