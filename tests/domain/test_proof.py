"""The verdict over a proof's runs: each rule alone makes an otherwise perfect proof void."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.policy import Policy, ProofRepeats
from cihealing.domain.proof import faults, next_purpose, order
from cihealing.domain.run import RunState, Seen, change
from cihealing.domain.values import Colour, Observation, Purpose
from cihealing.effects.judge_proof import compared
from tests.domain.world import HEAD, NOW, TEST, World, always, observation, queued, seen
from tests.tables import table

OTHER = "tests/test_a.py::test_y"
POLICY = Policy()


def run() -> RunState:
    world = World()
    world.handle(c.QueueRun(queued=queued()))
    return world.run


def perfect() -> list[Seen]:
    return [
        Seen(purpose=purpose, seen=always(purpose, 0), at=NOW)
        for purpose in order(POLICY.proof_repeats)
    ]


def but(purpose: Purpose, **fields: Any) -> list[Seen]:
    """The perfect proof, with the first run of `purpose` changed in these fields."""
    runs = perfect()
    index = next(i for i, s in enumerate(runs) if s.purpose is purpose)
    runs[index] = msgspec.structs.replace(
        runs[index], seen=msgspec.structs.replace(runs[index].seen, **fields)
    )
    return runs


def judge(runs: list[Seen], *others: Observation) -> list[str]:
    return faults(run(), runs, others=others, policy=POLICY)


def test_the_order_is_red_red_green_green_green_red_canary() -> None:
    words = [str(p) for p in order(ProofRepeats())]
    assert words == ["red_before", "red_before", "green", "green", "green", "red_after", "canary"]


def test_a_perfect_proof_has_no_faults() -> None:
    assert judge(perfect()) == []


@table(
    ("runs", "says"),
    [
        (but(Purpose.GREEN, collected=1), "1 tests collected, 2 before"),
        (
            but(Purpose.GREEN, failed_tests=("tests/test_b.py::test_new",)),
            "exit 0 with 1 failed tests",
        ),
        (but(Purpose.GREEN, passed_tests=(OTHER,)), f"{TEST} failed on red and did not pass"),
        (
            but(Purpose.GREEN, passed_tests=(TEST, "tests/test_a.py::test_new")),
            f"{OTHER} ran before the patch and did not run with it",
        ),
        (but(Purpose.GREEN, counts_tests=False), "its test results cannot be read"),
        (but(Purpose.GREEN, colour=Colour.RED), "green was red"),
        (
            but(Purpose.GREEN, violations=("the command changed conftest.py",)),
            "green: the command changed conftest.py",
        ),
        (but(Purpose.GREEN, environment="another box"), "more than one environment"),
        (but(Purpose.RED_AFTER, colour=Colour.GREEN), "red_after was green"),
        (but(Purpose.RED_AFTER, error_hash="v1:0", error_type="OSError"), "red for another reason"),
        (but(Purpose.RED_BEFORE, colour=Colour.UNAVAILABLE), "red_before was unavailable"),
        (
            but(Purpose.GREEN, colour=Colour.UNAVAILABLE, missing="it took 3 GB"),
            "green was unavailable: it took 3 GB",
        ),
        (but(Purpose.CANARY, canary_red=False), "a planted failing test was not reported"),
        (
            but(Purpose.CANARY, passed_tests=(OTHER,)),
            "a test that the patch is to heal failed beside the planted one",
        ),
        (perfect()[1:], "red_before: 1 of 2 runs"),
        (perfect()[:-1], "canary: 0 of 1 runs"),
        ([], "green: 0 of 3 runs"),
    ],
)
def test_one_fault_alone_voids_it_and_is_named(runs: list[Seen], says: str) -> None:
    found = judge(runs)
    assert any(says in fault for fault in found), found


def test_the_base_counts_for_the_most_tests_ever_collected() -> None:
    assert any(
        "5 before the patch" in fault
        for fault in judge(
            perfect(), observation(Colour.GREEN, commit=HEAD, tree="u" * 40, collected=5)
        )
    )


def test_on_a_claimed_base_only_runs_of_its_head_are_compared_with() -> None:
    world = World(
        run_command=lambda purpose, number: (
            always(purpose, number) if purpose is not Purpose.BASE else seen(purpose, Colour.RED)
        )
    )
    run = world.heal()
    assert (run.blame.claimed_base, run.head) == ("main", HEAD)
    assert {o.commit for o in compared(run)} == {HEAD}
    assert len(compared(run)) == 5


def test_names_of_another_tree_are_not_asked_for() -> None:
    base = observation(
        Colour.GREEN,
        commit=HEAD,
        tree="u" * 40,
        passed_tests=(TEST, "tests/test_gone.py::test_gone"),
    )
    assert judge(perfect(), base) == []


def test_where_nothing_counts_tests_exit_codes_and_the_canary_decide() -> None:
    bare = [
        msgspec.structs.replace(
            s,
            seen=msgspec.structs.replace(
                s.seen, counts_tests=False, passed_tests=(), failed_tests=(), collected=0
            ),
        )
        for s in perfect()
    ]
    lint = change(run(), failure=change(run().failure, failed_tests=()))
    assert faults(lint, bare, others=(), policy=POLICY) == []
    assert faults(lint, bare[:-1], others=(), policy=POLICY) == ["canary: 0 of 1 runs"]


def test_a_run_that_spoils_the_proof_ends_it_at_once() -> None:
    def spoiled(purpose: Purpose, number: int) -> Observation:
        return seen(purpose, Colour.RED) if purpose is Purpose.GREEN else always(purpose, number)

    attempt = World(run_command=spoiled).heal().attempts[0]
    assert [s.purpose for s in attempt.observations if s.purpose is Purpose.GREEN] == [
        Purpose.GREEN
    ]
    assert next_purpose(attempt, POLICY) is None


def test_a_run_is_queued_once() -> None:
    world = World()
    world.handle(c.QueueRun(queued=world.queued))
    world.handle(c.QueueRun(queued=world.queued))
    assert world.run.version == 1


def test_a_patch_that_was_tried_is_not_tried_again() -> None:
    def never(purpose: Purpose, number: int) -> Observation:
        return seen(purpose, Colour.RED) if purpose is Purpose.SCREEN else always(purpose, number)

    world = World(run_command=never, patches=["p" * 64, "p" * 64])
    world.heal()
    assert [x.reason for x in world.of(e.PatchDropped) if isinstance(x, e.PatchDropped)][
        1
    ] == "the same patch was tried before"
    assert [x.purpose for x in world.of(e.CommandRan) if isinstance(x, e.CommandRan)].count(
        Purpose.SCREEN
    ) == 1


def test_a_file_that_broke_as_a_whole_is_healed_by_its_tests() -> None:
    """node names the file where it could not name a test; with the patch the tests are named."""
    broken = ("/build/shop.test.js",)
    runs = [
        msgspec.structs.replace(
            s, seen=msgspec.structs.replace(s.seen, failed_tests=broken, collected=1)
        )
        if s.purpose in (Purpose.RED_BEFORE, Purpose.RED_AFTER)
        else s
        for s in perfect()
    ]
    assert not [fault for fault in judge(runs) if "shop.test.js" in fault]
    nothing = [
        msgspec.structs.replace(
            s, seen=msgspec.structs.replace(s.seen, passed_tests=(), collected=0)
        )
        for s in runs
        if s.purpose is Purpose.GREEN
    ]
    empty = [s for s in runs if s.purpose is not Purpose.GREEN] + nothing
    assert any("shop.test.js" in fault for fault in judge(empty))


@pytest.mark.parametrize(
    ("broken", "passed"),
    [
        ("tests/test_a.py", "tests/test_a.py::test_x"),
        ("unittest.loader._FailedTest.tests.test_a", "tests.test_a.Totals.test_x"),
        ("unittest.loader.ModuleImportFailure.test_a", "test_a.Totals.test_x"),
    ],
)
def test_what_could_not_be_collected_is_healed_when_its_own_tests_pass(
    broken: str, passed: str
) -> None:
    def with_tests(
        green: tuple[str, ...], *, failed: tuple[str, ...] = (), beside: tuple[str, ...] = ()
    ) -> list[str]:
        """What speaks against it where these tests pass with the patch, and these fail with it, or
        beside the planted one.
        """
        fails = {Purpose.GREEN: failed, Purpose.CANARY: (f"{passed}_planted", *beside)}
        runs = [
            msgspec.structs.replace(
                s,
                seen=msgspec.structs.replace(
                    s.seen,
                    failed_tests=fails.get(s.purpose, (broken,)),
                    passed_tests=green if s.purpose in fails else (),
                    collected=1,
                ),
            )
            for s in perfect()
        ]
        return [
            fault for fault in judge(runs) if broken in fault or fault.startswith("canary: a test")
        ]

    assert with_tests((passed,)) == []
    assert with_tests((f"other_{passed}",))
    assert with_tests(())
    assert with_tests((passed,), failed=(f"{passed}_too",))
    assert with_tests((passed,), beside=(f"{passed}_too",))
