"""Two at once at one decision: one wins, the other hears of it, and the forge is asked to merge
once at most.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.integration.app import own_database

pytestmark = pytest.mark.database


def raced(kind: str, number: int, *, data: Path) -> dict[str, Any]:
    given = os.environ.get("DATABASE_URL", "")
    with own_database(given, f"cihealing_races_{kind}_{os.getpid()}") as database:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "VIRTUAL_ENV", "LANG")
            if name in os.environ
        }
        environment = {
            **kept,
            "CI_HEALING_DATA_DIR": str(data),
            **({"DATABASE_URL": database} if database else {}),
        }
        done = forked.run(
            "tests.integration.races", kind, str(number), environment=environment, timeout=280
        )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_fifty_parallel_attempts_against_money_for_ten_make_ten_calls(tmp_path: Path) -> None:
    assert raced("budget", 50, data=tmp_path) == {"calls": 10, "refused": 40}


@pytest.mark.parametrize("number", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_race_for_a_decision_has_one_winner_and_one_merge_at_most(
    tmp_path: Path, number: int
) -> None:
    """Two approvers, approve against abort, approve against a push to the change, approve against
    deny.
    """
    found = raced("approvals", number, data=tmp_path)
    assert found["wrong"] == []
    assert 0 < found["merges"] <= number


@pytest.mark.parametrize("number", [8, pytest.param(150, marks=pytest.mark.slow)])
def test_a_run_that_attaches_while_its_leader_ends_is_not_left_behind(
    tmp_path: Path, number: int
) -> None:
    found = raced("followers", number, data=tmp_path)
    assert found["left behind"] == 0
    assert found["attached"] + found["claimed"] == number
