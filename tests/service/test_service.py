"""Deliveries and what follows from them: sameness, recurrence, reruns, superseding, people, crashes
between steps.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from cihealing import service, store
from cihealing.domain.run import Refused, Stale
from cihealing.domain.values import Colour, ExecutionRef, Ignored, RunStatus
from cihealing.models import (
    Attempt,
    BaseClaim,
    Delivery,
    Execution,
    IgnoredFingerprint,
    Outbox,
    Run,
    StoredEvent,
)
from cihealing.ports import HeadMovedError, PermanentError, TransientError
from cihealing.store import projections, rebuilding
from tests.domain.world import ANN, COMMIT, HEAD, seen
from tests.fakes.service import NOW, OTHER_LOG, Bench, failed, passed, receive

pytestmark = pytest.mark.django_db


@pytest.fixture
def bench() -> Bench:
    return Bench()


def only_run() -> Run:
    return Run.objects.get()


def infra(number: int = 1, **fields: object):
    log = 'Traceback (most recent call last):\n  File "fetch.py", line 3, in <module>\n'
    log += "ConnectionRefusedError: [Errno 111] Connection refused\n"
    return failed(number, log=log + "##[error]Process completed with exit code 1.\n", **fields)


def test_a_red_result_begins_one_run_and_says_so() -> None:
    outcome = receive(failed(), key="1").outcomes[0]
    run = only_run()
    assert (outcome.run_id, outcome.status, outcome.deduplicated) == (run.id, "queued", False)
    assert (run.repository, run.commit, run.error_type, run.status) == (
        "acme/shop",
        COMMIT,
        "AssertionError",
        "queued",
    )


def test_the_same_delivery_again_gets_the_first_answer_and_writes_nothing() -> None:
    first = receive(failed(), key="1")
    count = StoredEvent.objects.count()
    again = receive(failed(), key="1")
    assert (again.delivery, again.outcomes[0].run_id, again.outcomes[0].deduplicated) == (
        first.delivery,
        first.outcomes[0].run_id,
        True,
    )
    assert StoredEvent.objects.count() == count


def test_the_same_failure_in_another_delivery_joins_and_leaves_the_runs_version(
    bench: Bench,
) -> None:
    receive(failed(), key="1")
    version = only_run().version
    again = receive(failed(2), key="2")
    assert again.outcomes[0].deduplicated
    assert only_run().version == version
    assert Execution.objects.filter(run_id=only_run().id).count() == 2


def test_one_job_run_told_by_four_events_is_one_run_and_one_execution(bench: Bench) -> None:
    logless = failed(
        execution=ExecutionRef(provider="github", host="github.com", job_run_id="9"),
        log=None,
        parent_id="77",
    )
    for key, step in (("workflow_job", "Run tests"), ("check_run", ""), ("status", "other")):
        receive(failed(execution=logless.execution, log=None, step=step, parent_id="77"), key=key)
    coarse = failed(
        execution=ExecutionRef(provider="github", host="github.com", job_run_id="77"),
        log=None,
        parent_id="77",
        coarse=True,
    )
    receive(coarse, key="workflow_run")
    receive(Ignored(reason="only noted"), key="check_suite")
    bench.drain()
    bench.ring("expand_result")
    bench.drain()
    assert Run.objects.count() == 1
    assert set(Delivery.objects.values_list("status", flat=True)) == {"done"}


def test_a_workflow_whose_jobs_never_report_begins_a_run_of_its_own_and_late_jobs_join_it(
    bench: Bench,
) -> None:
    github = {"provider": "github", "host": "github.com"}
    receive(
        failed(
            execution=ExecutionRef(job_run_id="77", **github),
            log=None,
            parent_id="77",
            coarse=True,
            job="CI",
        ),
        key="w",
    )
    bench.ring("expand_result")
    bench.drain()
    late = receive(
        failed(execution=ExecutionRef(job_run_id="9", **github), log=None, parent_id="77"), key="j"
    )
    bench.drain()
    assert Run.objects.count() == 1
    assert Delivery.objects.get(id=late.delivery).outcomes.count(str(only_run().id)) == 1


def test_without_a_log_the_run_is_weak_and_says_which_setting_brings_it(bench: Bench) -> None:
    receipt = receive(failed(log=None), key="1")
    assert receipt.status == "reading"
    assert Run.objects.count() == 0
    bench.step()
    state = service.get(only_run().id)
    assert not state.failure.strong
    assert "CI_HEALING_GITHUB_TOKEN" in state.failure.log_missing


def test_a_fetched_log_is_read_and_the_fingerprint_is_that_of_a_sent_one(bench: Bench) -> None:
    bench.ci.log = failed().log
    receive(failed(log=None), key="1")
    bench.step()
    fetched = only_run().error_hash
    assert fetched == reread()


def reread() -> str:
    from cihealing import reading

    found = reading.read(failed().log or "").failure
    assert found is not None
    return found.error_hash


def test_builds_of_the_services_own_branches_begin_no_run() -> None:
    assert receive(failed(branch="cihealing/run-1"), key="1").outcomes[0].ignored
    assert Run.objects.count() == 0


def test_an_execution_that_one_delivery_tells_of_twice_counts_once() -> None:
    told = receive(failed(1), failed(1), key="twice")
    assert len(told.outcomes) == 1
    assert Execution.objects.count() == 1
    receive(failed(2, log=None), failed(2, log=None), key="unread")
    rebuilding.rebuild()
    assert Execution.objects.count() == 2


def test_a_run_that_began_while_all_rows_are_written_anew_is_written_again() -> None:
    (outcome,) = receive(failed(1), key="one").outcomes
    assert outcome.run_id
    run = service.get(outcome.run_id)
    projections.project_run(run, max_attempts=3)
    assert Run.objects.count() == 1


def test_a_silenced_fingerprint_begins_no_run_until_it_is_heard_again() -> None:
    service.ignore_fingerprint(reread(), reason="known", by=ANN)
    assert "silenced" in receive(failed(), key="1").outcomes[0].ignored
    service.hear_fingerprint(reread(), by=ANN)
    assert receive(failed(2), key="2").outcomes[0].run_id
    assert IgnoredFingerprint.objects.count() == 0


def test_green_results_are_stored_facts() -> None:
    receive(passed(), key="1")
    assert list(Execution.objects.values_list("outcome", "run_id")) == [("passed", None)]


def test_a_healing_ends_proven_and_an_approval_merges_once(bench: Bench) -> None:
    receive(failed(), key="1")
    bench.runner.hash = only_run().error_hash
    bench.drain()
    run = only_run()
    assert (run.status, run.evidence, run.blame) == ("fixed", "proven", "change")
    service.perform(run.id, "approve", act="merge", version=run.version, by=ANN, tools=bench.tools)
    bench.drain()
    assert (only_run().status, only_run().resolution) == ("resolved", "merged")
    assert len(bench.forge.merges) == 1


def healed(bench: Bench) -> Run:
    receive(failed(), key="1")
    bench.runner.hash = only_run().error_hash
    bench.drain()
    return only_run()


def test_every_command_with_exit_code_counts_and_tail_is_on_the_attempt(bench: Bench) -> None:
    healed(bench)
    attempt = service.get(only_run().id).attempts[0]
    first = attempt.observations[0].seen
    assert (first.command, first.exit_code, first.log_tail) == ("pytest", 0, "output")
    assert all(s.seen.passed + s.seen.failed for s in attempt.observations)
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize("version", [None, 3])
def test_an_approval_of_another_version_is_refused(bench: Bench, version: int | None) -> None:
    run = healed(bench)
    with pytest.raises(Stale):
        service.perform(run.id, "approve", act="merge", version=version, by=ANN, tools=bench.tools)
    assert only_run().version == run.version


def test_an_approval_after_the_head_moved_is_refused_and_the_proof_made_afresh(
    bench: Bench,
) -> None:
    run = healed(bench)
    bench.trees.heads["main"] = HEAD
    with pytest.raises(HeadMovedError):
        service.perform(
            run.id, "approve", act="merge", version=run.version, by=ANN, tools=bench.tools
        )
    assert only_run().status == "running"
    bench.drain()
    assert only_run().status == "fixed"
    service.perform(
        run.id, "approve", act="merge", version=only_run().version, by=ANN, tools=bench.tools
    )
    bench.drain()
    assert only_run().resolution == "merged"


def test_a_denied_run_escalates_with_owner_and_report(bench: Bench) -> None:
    run = healed(bench)
    service.perform(
        run.id, "deny", note="not like this", version=run.version, by=ANN, tools=bench.tools
    )
    bench.drain()
    after = only_run()
    assert (after.status, after.owner) == ("escalated", "ann@example.org")
    assert after.report
    assert "not like this" in after.escalation_reason


def test_a_human_fix_resolves_an_escalated_run_only(bench: Bench) -> None:
    run = healed(bench)
    with pytest.raises(Refused):
        service.perform(run.id, "human-fix", by=ANN, tools=bench.tools)
    service.perform(run.id, "deny", by=ANN, tools=bench.tools)
    service.perform(run.id, "human-fix", note="mine", by=ANN, tools=bench.tools)
    assert only_run().resolution == "human_fix"


def test_an_abort_drops_what_waits(bench: Bench) -> None:
    receive(failed(), key="1")
    bench.step()
    service.perform(only_run().id, "abort", by=ANN, tools=bench.tools)
    assert only_run().status == "aborted"
    assert set(Outbox.objects.filter(state="pending").values_list("name", flat=True)) <= {
        "tell"
    }  # people may still hear of it


def test_an_abort_is_refused_while_a_merge_is_on_its_way(bench: Bench) -> None:
    run = healed(bench)
    service.perform(run.id, "approve", act="merge", version=run.version, by=ANN, tools=bench.tools)
    effect = Outbox.objects.get(name="publish")
    assert service.claim(effect.id)
    with pytest.raises(service.Irrevocable):
        service.perform(run.id, "abort", by=ANN, tools=bench.tools)


def test_an_unknown_run_and_an_unknown_action_are_told_apart(bench: Bench) -> None:
    with pytest.raises(service.NoSuchRun):
        service.perform(UUID(int=1), "abort", by=ANN, tools=bench.tools)
    with pytest.raises(Refused):
        service.perform(healed(bench).id, "explode", by=ANN, tools=bench.tools)


def test_an_unanswered_review_escalates_after_its_time(bench: Bench) -> None:
    healed(bench)
    bench.ring("review_timer")
    bench.drain()
    assert only_run().escalation_reason == "the review went unanswered"


def test_a_recurrence_after_the_end_is_counted_and_a_retry_begins_a_new_generation(
    bench: Bench,
) -> None:
    run = healed(bench)
    service.perform(run.id, "abort", by=ANN, tools=bench.tools)
    assert receive(failed(2), key="2").outcomes[0].deduplicated
    assert service.get(run.id).recurrences == 1
    bench.trees.heads["main"] = COMMIT
    service.perform(run.id, "retry", by=ANN, tools=bench.tools)
    bench.drain()
    after = service.get(run.id)
    assert (after.generation, after.status, len(after.attempts), len(after.past_attempts)) == (
        2,
        RunStatus.FIXED,
        1,
        1,
    )


def test_the_same_failure_on_a_newer_commit_supersedes_and_hands_its_patch_on(bench: Bench) -> None:
    first = healed(bench)
    receive(failed(2, commit=HEAD), key="2", now=NOW + timedelta(minutes=5))
    newer = Run.objects.get(commit=HEAD)
    assert Run.objects.get(id=first.id).status == "aborted"
    assert service.get(first.id).end.successor == newer.id
    bench.trees.heads["main"] = HEAD
    bench.drain()
    attempt = service.get(newer.id).attempts[0]
    assert (attempt.diagnoser, Run.objects.get(id=newer.id).status) == ("inherited", "fixed")


def test_an_inherited_patch_that_does_not_apply_is_left_out(bench: Bench) -> None:
    healed(bench)
    receive(failed(2, commit=HEAD), key="2", now=NOW + timedelta(minutes=5))
    bench.trees.heads["main"] = HEAD
    bench.trees.refuses = True
    bench.drain()
    newer = Run.objects.get(commit=HEAD)
    attempt = service.get(newer.id).attempts[0]
    assert (attempt.diagnoser, newer.status) == ("fake", "fixed")


def test_a_late_report_of_an_older_commit_is_superseded_at_once() -> None:
    receive(failed(1, commit=HEAD, finished_at=NOW), key="1")
    receive(
        failed(2, finished_at=NOW - timedelta(hours=1)), key="2", now=NOW + timedelta(minutes=1)
    )
    assert {r.commit: r.status for r in Run.objects.all()} == {HEAD: "queued", COMMIT: "aborted"}


def waiting(bench: Bench) -> Run:
    receive(infra(), key="1")
    bench.step()
    bench.ring("ask_rerun")
    bench.drain()
    assert only_run().awaiting_rerun
    return only_run()


def test_a_green_rerun_resolves(bench: Bench) -> None:
    waiting(bench)
    receive(passed(2), key="2")
    run = only_run()
    assert (run.status, run.resolution, run.blame) == ("resolved", "rerun_green", "infra")


def test_the_same_failure_on_the_rerun_is_counted_and_asked_for_again_up_to_the_cap(
    bench: Bench,
) -> None:
    waiting(bench)
    for number in (2, 3):
        receive(infra(number), key=str(number))
        bench.ring("ask_rerun")
        bench.drain()
    assert len(bench.ci.asked) == 2
    assert only_run().status == "escalated"


def test_another_failure_on_the_rerun_ends_the_run_as_changed_and_links_the_new_one(
    bench: Bench,
) -> None:
    run = waiting(bench)
    receive(failed(2, log=OTHER_LOG), key="2")
    old, new = service.get(run.id), Run.objects.exclude(id=run.id).get()
    assert (old.status, old.end.abort_reason, old.end.successor) == (
        RunStatus.ABORTED,
        "changed",
        new.id,
    )


def test_the_red_job_told_again_is_no_result_of_the_rerun(bench: Bench) -> None:
    waiting(bench)
    receive(infra(), key="again")
    assert only_run().awaiting_rerun


def test_a_rerun_without_a_result_is_lost_and_another_is_asked_for(bench: Bench) -> None:
    waiting(bench)
    bench.ring("rerun_timer")
    bench.drain()
    bench.ring("ask_rerun")
    bench.drain()
    assert len(bench.ci.asked) == 2


def test_a_rerun_that_was_cancelled_is_lost_at_once(bench: Bench) -> None:
    bench.ci.result = Ignored(reason="the job was cancelled")
    receive(infra(), key="1")
    bench.step()
    bench.ring("ask_rerun")
    bench.drain()
    assert not only_run().awaiting_rerun
    bench.ring("ask_rerun")
    bench.drain()
    assert len(bench.ci.asked) == 2


def test_reruns_count_per_commit_and_job_over_all_runs(bench: Bench) -> None:
    waiting(bench)
    receive(infra(2), key="2")
    bench.ring("ask_rerun")
    bench.drain()
    other = failed(
        3,
        log=(
            '  File "get.py", line 9, in <module>\nOSError: [Errno 28] No space left on'
            " device\nexit code 1\n"
        ),
    )
    receive(other, key="3")
    bench.drain()
    bench.ring("ask_rerun")
    bench.drain()
    assert len(bench.ci.asked) == 2


def test_a_green_job_on_a_later_commit_resolves_an_escalated_run(bench: Bench) -> None:
    run = healed(bench)
    service.perform(run.id, "deny", by=ANN, tools=bench.tools)
    receive(passed(2, commit=HEAD), key="2", now=NOW + timedelta(minutes=5))
    assert only_run().resolution == "green_later"


def test_of_two_branches_with_a_broken_base_one_run_stands_and_the_other_ends_with_it(
    bench: Bench,
) -> None:
    bench.runner.answer = lambda purpose, number: seen(
        purpose, Colour.GREEN if purpose == "green" and patched(bench) else Colour.RED
    )
    bench.trees.heads = {"main": HEAD}
    receive(failed(1, branch="a", base_branch="main"), key="1")
    receive(failed(2, branch="b", base_branch="main", commit="e" * 40), key="2")
    bench.runner.hash = Run.objects.first().error_hash  # type: ignore[union-attr]
    bench.drain(300)
    leader = BaseClaim.objects.get().run
    follower = Run.objects.exclude(id=leader.id).get()
    assert (leader.blame, leader.status, follower.attached_to) == ("base", "fixed", leader.id)
    service.perform(
        leader.id, "approve", act="merge", version=leader.version, by=ANN, tools=bench.tools
    )
    bench.drain()
    assert Run.objects.get(id=follower.id).resolution == "base_healed"
    assert BaseClaim.objects.count() == 0


def patched(bench: Bench) -> bool:
    """Whether the fake runner was given a patch in this call: base runs come without one."""
    import inspect

    frame = next(
        f
        for f in inspect.stack()
        if f.function == "observe" and "patch" in f.frame.f_locals and f.frame.f_locals.get("self")
    )
    return bool(frame.frame.f_locals["patch"])


def test_a_transient_error_gives_the_effect_back_and_the_fifth_claim_gives_up(bench: Bench) -> None:
    receive(failed(), key="1")
    bench.step()

    def broken(*_: object, **__: object) -> None:
        raise TransientError("the forge is away")

    bench.trees.head = broken  # type: ignore[method-assign]
    for _ in range(5):
        Outbox.objects.filter(state="pending", name="find_project").update(not_before=NOW)
        bench.step()
    assert only_run().status == "escalated"
    assert "find_project gave up: claimed 5 times" in only_run().escalation_reason


def test_a_permanent_error_escalates_with_its_words(bench: Bench) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise PermanentError("unknown commit")

    bench.runner.observe = refuses  # type: ignore[method-assign]
    receive(failed(), key="1")
    bench.drain()
    assert "unknown commit" in only_run().escalation_reason


def test_a_lost_worker_leaves_a_lease_that_runs_out(bench: Bench) -> None:
    receive(failed(), key="1")
    row = Outbox.objects.get()
    assert service.claim(row.id)
    assert service.claim(row.id) is None
    Outbox.objects.update(lease_until=NOW)
    taken = service.claim(row.id)
    assert taken is not None
    assert (taken.claims, taken.fence) == (2, 2)


def test_a_fenced_worker_records_nothing(bench: Bench) -> None:
    from cihealing.domain import commands as c
    from cihealing.service import outbox

    receive(failed(), key="1")
    row = service.claim(Outbox.objects.get().id)
    Outbox.objects.update(lease_until=NOW)
    service.claim(Outbox.objects.get().id)
    with pytest.raises(outbox.Fenced):
        service.handle(
            only_run().id,
            c.GiveUp(effect="x", reason="y"),
            cause=service.Cause(source="t"),
            effect=row,
        )
    assert only_run().status == "queued"


def test_an_effect_of_a_newer_release_is_handed_back_uncounted(bench: Bench) -> None:
    receive(failed(), key="1")
    Outbox.objects.update(payload='{"effect":"teleport"}')
    bench.step()
    assert (Outbox.objects.get().claims, Outbox.objects.get().state) == (0, "pending")


def test_the_kill_switch_keeps_deliveries_and_stops_effects(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cihealing.domain.policy import Policy
    from cihealing.service import policies

    monkeypatch.setattr(policies, "current", lambda: Policy(enabled=False))
    receive(failed(), key="1")
    assert not bench.step()
    assert only_run().status == "queued"
    monkeypatch.setattr(policies, "current", Policy)
    assert bench.step()


def with_mode(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    from cihealing.domain.policy import Policy
    from cihealing.service import policies

    policy = Policy.model_validate({"repositories": [{"match": "*", "mode": mode}]})
    monkeypatch.setattr(policies, "current", lambda: policy)


def test_in_mode_off_no_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    with_mode(monkeypatch, "off")
    assert "switched off" in receive(failed(), key="1").outcomes[0].ignored
    assert Run.objects.count() == 0


def test_in_mode_diagnose_nothing_is_run_and_the_owner_gets_a_report(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_mode(monkeypatch, "diagnose")
    receive(failed(), key="1")
    bench.drain()
    run = only_run()
    assert (bench.runner.ran, run.status, run.owner) == ([], "escalated", "ann@example.org")
    assert run.report
    assert "diagnosis only" in run.escalation_reason


def test_a_run_keeps_the_policy_it_began_with_where_that_is_the_tighter_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_mode(monkeypatch, "diagnose")
    receive(failed(), key="1")
    with_mode(monkeypatch, "propose")
    bench.drain()
    assert bench.runner.ran == []


def test_rebuild_writes_the_same_rows_and_leaves_the_outbox(bench: Bench) -> None:
    run = healed(bench)
    service.perform(run.id, "deny", by=ANN, tools=bench.tools)
    service.ignore_fingerprint("v1:x", reason="known", by=ANN)
    receive(passed(5), key="5")
    bench.drain()
    before = snapshot()
    rebuilding.rebuild()
    assert snapshot() == before


def snapshot() -> list[object]:
    rows: list[object] = []
    for model in (Run, Attempt, Delivery, Execution, BaseClaim, IgnoredFingerprint, Outbox):
        for row in model._default_manager.order_by("pk").values():
            row.pop("id") if model in (Execution, Attempt, BaseClaim) else None
            rows.append((model.__name__, row))
    return sorted(rows, key=repr)


def test_the_record_of_a_healing_verifies(bench: Bench) -> None:
    healed(bench)
    assert list(store.verify()) == []
