"""Whether what was seen red here is the failure of the run."""

from __future__ import annotations

from cihealing.domain.run.state import RunState
from cihealing.domain.values import Colour, Observation


def sameness(run: RunState, seen: Observation) -> str:
    """How a red observation is the failure of the run: `same hash`, `same failed test`, `same
    rule`, or empty where it is another.
    """
    if seen.colour is not Colour.RED:
        return ""
    if not run.failure.strong and not run.local.hash:
        return "first local red"
    if seen.error_hash and seen.error_hash == run.comparison_hash:
        return "same hash"
    if seen.error_type != run.failure.error_type and run.failure.strong:
        return ""
    if same_test(run.failure.failed_tests, seen.failed_tests):
        return "same failed test"
    return "same rule" if run.failure.rule and run.failure.rule == seen.rule else ""


def same_test(names: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return bool({leaf(n) for n in names} & {leaf(o) for o in others})


def leaf(name: str) -> str:
    """The part that runners agree on: `tests/a.py::T::test_x`, `tests.a.T.test_x` and `test_x
    (tests.a.T)` are one test.
    """
    bare = name.split(" ")[0] if "::" not in name else name
    return (
        bare.rsplit("::", 1)[-1].rsplit(".", 1)[-1] if "[" not in bare else bare.rsplit("::", 1)[-1]
    )
