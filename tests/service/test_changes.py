"""An open change from its publishing to its merge: followed by looking alone, without a single
delivery of the forge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cihealing import service, store
from cihealing.domain.run import Refused, Stale
from cihealing.domain.values import Actor, Colour
from cihealing.models import Outbox, Run
from cihealing.ports import HeadMovedError, PermanentError, TransientError
from cihealing.service import NotAllowed
from cihealing.store import rebuilding
from tests.domain.world import ANN, COMMIT, seen
from tests.fakes.forge import URL, OpenForge
from tests.fakes.models import FakeModel, answered
from tests.fakes.service import Bench, failed, passed, receive

pytestmark = pytest.mark.django_db
Asking = Callable[..., Bench]
EVE = Actor(kind="person", name="eve")


def state() -> Any:
    return service.get(Run.objects.get().id)


@pytest.fixture
def forge() -> OpenForge:
    return OpenForge({"main": COMMIT})


@pytest.fixture
def bench(asking: Asking, forge: OpenForge) -> Bench:
    second = answered(
        edits=[{"path": "shop.py", "search": "bad = 1", "replace": "fine = 1"}], diff=""
    )
    made = asking(FakeModel([answered(), second]), forge=forge)
    made.trees.heads = forge.heads
    return made


def proven(bench: Bench) -> Any:
    receive(failed(), key="1")
    bench.drain()
    assert state().status == "fixed"
    return state()


def act(bench: Bench, action: str, by: Actor = ANN, **fields: Any) -> Any:
    return service.perform(
        state().id, action, version=state().version, by=by, tools=bench.tools, **fields
    )


def opened(bench: Bench) -> Any:
    proven(bench)
    act(bench, "approve", act="publish")
    bench.drain()
    return state()


def look(bench: Bench) -> Any:
    bench.ring("watch_change")
    bench.drain()
    return state()


def test_an_approved_fix_is_opened_once_and_waits_for_its_merge(
    bench: Bench, forge: OpenForge
) -> None:
    run = opened(bench)
    assert (run.status, run.change.url, run.change.open, run.review.approved_by) == (
        "fixed",
        URL,
        True,
        None,
    )
    assert forge.made("publish") == 1
    assert f"cihealing/{run.id}" in forge.heads


def test_it_heals_to_resolved_without_a_single_delivery_of_the_forge(
    bench: Bench, forge: OpenForge
) -> None:
    opened(bench)
    forge.set(URL, checks="pending")
    assert look(bench).change.checks == "pending"
    forge.set(URL, checks="green")
    assert look(bench).evidence == "ci_proven"
    forge.set(URL, state="merged", merged_commit="a" * 40, by="ben")
    run = look(bench)
    assert (run.status, run.end.resolution, run.change.merged_commit) == (
        "resolved",
        "merged",
        "a" * 40,
    )
    assert forge.made("close") == 0


def test_a_merge_is_bound_to_the_commit_that_was_published(bench: Bench, forge: OpenForge) -> None:
    opened(bench)
    act(bench, "approve", act="merge")
    bench.drain()
    assert state().end.resolution == "merged"
    assert ("merge", "9" * 40) in forge.calls


def test_a_push_of_others_to_the_change_stops_the_merge(bench: Bench, forge: OpenForge) -> None:
    opened(bench)
    forge.set(URL, head="7" * 40)
    act(bench, "approve", act="merge")
    bench.drain()
    run = state()
    assert (run.status, run.review.approved_by, run.change.publish_failures) == ("fixed", None, 1)
    assert forge.states[URL].state == "open"


def test_red_of_its_own_ci_closes_it_and_feeds_the_next_attempt(
    bench: Bench, forge: OpenForge
) -> None:
    opened(bench)
    forge.set(URL, checks="red", failing=("windows",))
    look(bench)
    run = state()
    assert [a.status for a in run.attempts] == ["failed", "succeeded"]
    assert "windows" in run.attempts[0].failure_reason
    assert (run.status, run.change.open, forge.states[URL].state) == ("fixed", False, "closed")
    assert "windows" in bench.tools.model.asked[1].prompt  # type: ignore[union-attr]
    act(bench, "approve", act="publish")
    bench.drain()
    assert f"cihealing/{run.id}-2" in forge.heads


def test_closing_our_change_refuses_the_patch_for_good(bench: Bench, forge: OpenForge) -> None:
    patch = opened(bench).review.patch
    forge.set(URL, state="closed", by="ben")
    run = look(bench)
    assert run.status == "escalated"
    assert "closed by ben" in run.end.escalation_reason
    assert patch in run.patches.refused


def test_the_label_off_counts_as_closing(bench: Bench, forge: OpenForge) -> None:
    opened(bench)
    forge.set(URL, opted_out=True)
    assert look(bench).status == "escalated"
    assert forge.states[URL].state == "closed"


def test_denying_an_open_change_closes_it(bench: Bench, forge: OpenForge) -> None:
    opened(bench)
    act(bench, "deny")
    bench.drain()
    assert (state().status, forge.states[URL].state) == ("escalated", "closed")


def test_aborting_a_run_closes_its_change(bench: Bench, forge: OpenForge) -> None:
    opened(bench)
    act(bench, "abort")
    bench.drain()
    assert (state().status, forge.states[URL].state) == ("aborted", "closed")


def test_a_newer_commit_with_the_same_failure_closes_the_change_of_the_older_one(
    bench: Bench, forge: OpenForge
) -> None:
    opened(bench)
    forge.heads["main"] = "e" * 40
    receive(failed(2, commit="e" * 40), key="2")
    bench.drain()
    assert forge.states[URL].state == "closed"
    assert Run.objects.get(commit=COMMIT).status == "aborted"


def test_a_build_of_our_own_branch_brings_the_next_look_forward(bench: Bench) -> None:
    run = opened(bench)
    receive(passed(5, branch=f"cihealing/{run.id}", commit="9" * 40), key="5")
    (watch,) = Outbox.objects.filter(name="watch_change", state="pending")
    assert watch.not_before.year < 2027
    assert bench.drain() >= 1


def test_the_persons_own_permission_counts(bench: Bench, forge: OpenForge) -> None:
    proven(bench)
    with pytest.raises(NotAllowed, match="eve may not push"):
        act(bench, "approve", by=EVE, act="publish")
    assert forge.made("publish") == 0


def test_a_login_that_differs_is_found_in_policy(asking: Asking, forge: OpenForge) -> None:
    bench = asking(forge=forge, repository={"forge": "forge", "people": {"eve": "ben"}})
    bench.trees.heads = forge.heads
    proven(bench)
    act(bench, "approve", by=EVE, act="publish")


@pytest.mark.parametrize(
    ("first", "second"), [("merge", "no change is open"), ("publish", "open already")]
)
def test_the_act_must_fit_what_there_is(bench: Bench, first: str, second: str) -> None:
    (proven if first == "merge" else opened)(bench)
    with pytest.raises(Refused, match=second):
        act(bench, "approve", act=first)


def test_the_second_of_two_people_hears_who_was_first(bench: Bench) -> None:
    version = opened(bench).version
    act(bench, "approve", act="merge")
    with pytest.raises(Stale):
        service.perform(
            state().id,
            "approve",
            act="merge",
            version=version,
            by=Actor(kind="person", name="ben"),
            tools=bench.tools,
        )


def test_mode_open_opens_a_change_by_itself_when_safe_mode_is_off(
    asking: Asking, forge: OpenForge
) -> None:
    bench = asking(forge=forge, repository={"forge": "forge", "mode": "open"}, safe_mode=False)
    bench.trees.heads = forge.heads
    receive(failed(), key="1")
    bench.drain()
    assert (state().change.open, forge.made("publish"), forge.made("merge")) == (True, 1, 0)


def test_safe_mode_opens_nothing_by_itself(asking: Asking, forge: OpenForge) -> None:
    bench = asking(forge=forge, repository={"forge": "forge", "mode": "open"}, safe_mode=True)
    receive(failed(), key="1")
    bench.drain()
    assert (state().status, forge.made("publish")) == ("fixed", 0)


def test_forks_get_a_diagnosis_only(bench: Bench, forge: OpenForge) -> None:
    receive(failed(fork=True), key="1")
    bench.drain()
    assert state().status == "escalated"
    assert not bench.runner.ran
    assert not forge.calls


@pytest.mark.parametrize(
    "error",
    [
        TransientError("502"),
        PermanentError("401: set the token"),
        TransientError("slow down", retry_after=60),
    ],
)
def test_a_forge_that_does_not_answer_leaves_the_change_waiting(
    bench: Bench, forge: OpenForge, error: Exception
) -> None:
    opened(bench)

    def fail(name: str) -> None:
        raise error

    forge.fail = fail
    look(bench)
    assert state().status == "fixed"
    assert Outbox.objects.filter(name="watch_change", state="pending").count() == 1
    forge.fail = None
    forge.set(URL, state="merged", merged_commit="a" * 40)
    assert look(bench).end.resolution == "merged"


def test_a_head_that_moved_before_publishing_is_proven_afresh_first(
    bench: Bench, forge: OpenForge
) -> None:
    proven(bench)
    forge.heads["main"] = "e" * 40
    with pytest.raises(HeadMovedError):
        act(bench, "approve", act="publish")
    bench.drain()
    assert (state().status, state().head, forge.made("publish")) == ("fixed", "e" * 40, 0)


def test_a_human_fix_with_its_commit_is_remembered_once_it_heals_here_too(asking: Asking) -> None:
    model = FakeModel([answered(known=False)])
    bench = asking(model, max_attempts=1)
    receive(failed(), key="1")
    bench.drain()
    act(bench, "human-fix", commit="d" * 40)
    bench.drain()
    assert state().change.human_fix
    (fix,) = bench.tools.history.similar_fixes(
        "acme/shop", error_hash=state().failure.error_hash, error_type=""
    )
    assert "good = 1" in fix.patch


def test_a_human_fix_that_does_not_heal_here_is_not_remembered(asking: Asking) -> None:
    bench = asking(FakeModel([answered(known=False)]), max_attempts=1)
    bench.runner.answer = lambda purpose, number: seen(purpose, Colour.RED)
    receive(failed(), key="1")
    bench.drain()
    act(bench, "human-fix", commit="d" * 40)
    bench.drain()
    assert (state().end.resolution, state().change.human_fix) == ("human_fix", "")


def test_the_rows_are_what_the_facts_say(bench: Bench, forge: OpenForge) -> None:
    opened(bench)
    forge.set(URL, checks="green")
    look(bench)
    before = list(Run.objects.values())
    rebuilding.rebuild()
    assert list(Run.objects.values()) == before
    assert list(store.verify()) == []
