"""What proves a fix: the order of the runs, and the verdict over them. Pure.

A flake must not pass for a fix: every run of the failing tree must be red, every run of the patched
one green, in one environment. Exit 0 alone never suffices where there are tests; a runner that
cannot report a planted failure proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cihealing.domain.policy import Policy, ProofRepeats
from cihealing.domain.run import AttemptState, RunState, Seen, sameness
from cihealing.domain.values import Colour, Observation, Purpose

EXPECTED = {
    Purpose.RED_BEFORE: Colour.RED,
    Purpose.GREEN: Colour.GREEN,
    Purpose.RED_AFTER: Colour.RED,
    Purpose.CANARY: Colour.RED,
}

WHOLE_FILE = re.compile(r"(?:^|/)[\w.-]+\.[cm]?[jt]sx?\Z")
"""What runners name as failed where a file broke before, or beside, its tests: green, its tests are
named instead of it.
"""
WHOLE_MODULE = re.compile(
    r"(?P<file>(?:[^\s:]{1,400}/)?[\w-]{1,200}\.py)\Z"
    r"|unittest\.loader\.(?:_FailedTest|ModuleImportFailure|LoadTestsFailure)\."
    r"(?P<module>[\w.]{1,400})\Z"
)
"""The same of Python: pytest names the file that could not be collected, unittest the module that
could not be imported; unlike with the others, each of their tests says in which it stands.
"""


def expected(purpose: Purpose) -> Colour | None:
    """The colour that speaks for a patch in a run with this purpose; None where either may be."""
    return Colour.GREEN if purpose is Purpose.SCREEN else EXPECTED.get(purpose)


def order(repeats: ProofRepeats) -> list[Purpose]:
    return [
        *[Purpose.RED_BEFORE] * repeats.red,
        *[Purpose.GREEN] * repeats.green,
        *[Purpose.RED_AFTER] * repeats.red_after,
        Purpose.CANARY,
    ]


def proof_runs(attempt: AttemptState) -> list[Seen]:
    """What was seen for the proof on the head it is about now (a moved head begins afresh)."""
    return [
        s for s in attempt.observations if s.purpose in EXPECTED and s.seen.commit == attempt.head
    ]


def next_purpose(attempt: AttemptState, policy: Policy) -> Purpose | None:
    """The next run the proof needs; None where the verdict can be spoken: all were made, or one
    already spoils it.
    """
    seen = proof_runs(attempt)
    if any(s.seen.colour is not EXPECTED[s.purpose] for s in seen):
        return None
    wanted = order(policy.proof_repeats)
    return wanted[len(seen)] if len(seen) < len(wanted) else None


def faults(
    run: RunState, seen: Sequence[Seen], *, others: Sequence[Observation], policy: Policy
) -> list[str]:
    """Why `seen` (the proof's runs, with their whole test lists) proves nothing; empty: proven.

    `others`: further runs of the failing tree and of the base, for the most tests ever collected.
    """
    found = [
        *_missing_runs(seen, policy),
        *_wrong_colours(seen),
        *_unlike(run, seen),
        *_environments(seen),
    ]
    reds = [s.seen for s in seen if s.purpose in (Purpose.RED_BEFORE, Purpose.RED_AFTER)]
    greens = [s.seen for s in seen if s.purpose is Purpose.GREEN]
    if _has_tests(run, reds):
        found += _test_faults([*reds, *others], greens, failing=_failing(reds))
    found += _canary_faults(
        [s.seen for s in seen if s.purpose is Purpose.CANARY], failing=_failing(reds)
    )
    return list(dict.fromkeys(found))


def is_flake(run: RunState) -> bool:
    """Any green run of the failing tree, on the head the proof is about."""
    return any(o.colour is Colour.GREEN for o in run.unpatched())


def _missing_runs(seen: Sequence[Seen], policy: Policy) -> Iterable[str]:
    made = [s.purpose for s in seen]
    for purpose in dict.fromkeys(order(policy.proof_repeats)):
        wanted = order(policy.proof_repeats).count(purpose)
        if made.count(purpose) < wanted:
            yield f"{purpose}: {made.count(purpose)} of {wanted} runs"


def _wrong_colours(seen: Sequence[Seen]) -> Iterable[str]:
    for s in seen:
        if s.seen.colour is not EXPECTED[s.purpose]:
            yield f"{s.purpose} was {s.seen.colour}" + (
                f": {s.seen.missing}"
                if s.seen.missing and s.seen.colour is Colour.UNAVAILABLE
                else ""
            )
        yield from (f"{s.purpose}: {v}" for v in s.seen.violations)


def _unlike(run: RunState, seen: Sequence[Seen]) -> Iterable[str]:
    for s in seen:
        if (
            s.purpose in (Purpose.RED_BEFORE, Purpose.RED_AFTER)
            and s.seen.colour is Colour.RED
            and not sameness(run, s.seen)
        ):
            yield f"{s.purpose} was red for another reason than the run is about"


def _environments(seen: Sequence[Seen]) -> Iterable[str]:
    if len({s.seen.environment for s in seen}) > 1:
        yield "the runs were made in more than one environment"


def _has_tests(run: RunState, reds: Sequence[Observation]) -> bool:
    return bool(run.failure.failed_tests) or any(o.counts_tests for o in reds)


def _failing(reds: Sequence[Observation]) -> set[str]:
    return {name for o in reds for name in o.failed_tests}


def _single(names: set[str]) -> set[str]:
    """Without what stands for a whole file."""
    return {name for name in names if not WHOLE_FILE.search(name)}


def _tests_in(whole: str, names: Iterable[str]) -> list[str]:
    """Those of a file or module that was red as a whole."""
    found = WHOLE_MODULE.match(whole)
    if found is None:
        return []
    start = f"{found['file']}::" if found["file"] else f"{found['module']}."
    return [name for name in names if name.startswith(start)]


def _healed(failing: set[str], seen: Observation, *, planted: int = 0) -> set[str]:
    """What was red as a whole, and all of whose tests pass now: at least one, and none is red but
    the planted one.
    """
    return {
        name
        for name in failing
        if _tests_in(name, seen.passed_tests) and len(_tests_in(name, seen.failed_tests)) <= planted
    }


def _test_faults(
    befores: Sequence[Observation], greens: Sequence[Observation], *, failing: set[str]
) -> Iterable[str]:
    most = max((o.collected for o in befores), default=0)
    same_tree = {
        o.tree for o in befores if o.colour is Colour.RED and o.commit == befores[0].commit
    }
    known = {
        name for o in befores if o.tree in same_tree for name in (*o.passed_tests, *o.failed_tests)
    }
    for green in greens:
        yield from _one_green(green, most=most, known=known, failing=failing)


def _one_green(
    green: Observation, *, most: int, known: set[str], failing: set[str]
) -> Iterable[str]:
    if not green.counts_tests:
        yield "green run: its test results cannot be read, and exit 0 alone is no proof"
        return
    passed = set(green.passed_tests)
    healed = _healed(failing, green)
    failing, known = failing - healed, known - healed
    if passed:
        failing, known = _single(failing), _single(known)
    yield from (
        f"green run: {name} failed on red and did not pass" for name in sorted(failing - passed)[:5]
    )
    if green.failed_tests:
        yield f"green run: exit 0 with {len(green.failed_tests)} failed tests"
    if green.collected < most:
        yield f"green run: {green.collected} tests collected, {most} before the patch"
    yield from (
        f"green run: {name} ran before the patch and did not run with it"
        for name in sorted(known - passed - failing)[:5]
    )


def _canary_faults(canaries: Sequence[Observation], *, failing: set[str]) -> Iterable[str]:
    for canary in canaries:
        if not canary.canary_red:
            yield "canary: a planted failing test was not reported as failed" + (
                f" ({canary.missing})" if canary.missing else ""
            )
        left = _single(failing - _healed(failing, canary, planted=1)) - set(canary.passed_tests)
        if canary.counts_tests and left:
            yield "canary: a test that the patch is to heal failed beside the planted one"
