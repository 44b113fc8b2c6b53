"""Which hypotheses a report shows and in which order, and what it advises."""

from __future__ import annotations

from typing import Any

import pytest

from cihealing.diagnosis.advice import next_steps
from cihealing.diagnosis.ranking import merged, ranked
from cihealing.domain.values import Blame, Diagnosis, FailureClass, Hypothesis, Owner, Sign

SIGN = Sign(rule="cited", line=3, text="boom")


def believes(
    *texts: str, by: str = "offline", confidence: float = 0.5, look_at: tuple[str, ...] = ()
) -> Diagnosis:
    return Diagnosis(
        root_cause=texts[0] if texts else "I do not know",
        failure_class=FailureClass.PRODUCT,
        confidence=confidence,
        diagnoser=by,
        hypotheses=tuple(Hypothesis(text=text, signs=(SIGN,)) for text in texts),
        look_at=look_at,
    )


OFFLINE = believes("a missing import", look_at=("shop.py:3",))


@pytest.mark.parametrize(
    ("model", "cause"),
    [
        (None, "a missing import"),
        (believes("a cycle", by="openai/m"), "a cycle"),
        (believes(by="openai/m", confidence=0.0), "a missing import"),
        (believes("something older", by="offline"), "a missing import"),
    ],
)
def test_a_model_that_knows_something_has_the_first_word(
    model: Diagnosis | None, cause: str
) -> None:
    found = merged(OFFLINE, model)
    assert (found.root_cause, found.look_at) == (cause, ("shop.py:3",))


def test_what_is_surest_comes_first_and_what_was_tried_in_vain_last() -> None:
    model = believes("a cycle", "a race", by="openai/m", confidence=0.8)
    found = ranked([model, OFFLINE], [believes("a typo", by="openai/m", confidence=0.9)])
    assert [(h.text, h.by, h.confidence, h.disproved) for h in found] == [
        ("a cycle", "openai/m", 0.8, False),
        ("a missing import", "offline", 0.5, False),
        ("a race", "openai/m", 0.4, False),
        ("a typo", "openai/m", 0.9, True),
    ]


def test_a_belief_is_shown_once_and_stays_marked_as_tried() -> None:
    found = ranked([OFFLINE], [believes("A  missing import", by="openai/m")])
    assert [(h.text, h.disproved) for h in found] == [("a missing import", True)]


def test_a_report_is_read_by_people() -> None:
    assert len(ranked([believes(*(f"cause {n}" for n in range(20)))], [])) == 6


def advised(**known: Any) -> tuple[str, ...]:
    usual: dict[str, Any] = {
        "blame": Blame.UNKNOWN,
        "failure_class": FailureClass.UNKNOWN,
        "owner": None,
        "look_at": (),
        "waiting": 0,
        "branch": "feature/x",
        "reproduced": True,
    }
    return next_steps(**{**usual, **known})


@pytest.mark.parametrize(
    ("known", "first"),
    [
        (
            {"blame": Blame.BASE, "waiting": 2},
            (
                "Mend the branch that feature/x starts from: it fails in the same way; 2 other runs"
                " wait for it."
            ),
        ),
        (
            {"blame": Blame.BASE},
            "Mend the branch that feature/x starts from: it fails in the same way.",
        ),
        (
            {"blame": Blame.FLAKE},
            (
                "Run the job again, and ask why it is now red, now green: time, order, network or"
                " shared state."
            ),
        ),
        (
            {"blame": Blame.CHANGE, "owner": Owner(name="@ann", source="codeowners")},
            "Ask @ann: the change on feature/x broke it.",
        ),
        ({"blame": Blame.CHANGE}, "Ask whoever knows this part: the change on feature/x broke it."),
        ({}, "Ask whoever knows this part to read the cited lines: what broke it is not known."),
    ],
)
def test_the_first_step_follows_from_the_blame(known: dict[str, Any], first: str) -> None:
    assert advised(**known)[0] == first


def test_machines_and_surroundings_are_not_blamed_on_people() -> None:
    assert advised(failure_class=FailureClass.INFRA)[0].startswith("Look whether the service named")
    assert advised(failure_class=FailureClass.ENV)[0].startswith(
        "Give the job what the cited lines miss"
    )


def test_where_to_begin_and_whether_it_can_be_seen_are_said() -> None:
    assert advised(look_at=("a.py:3", "b.py:1"))[1:3] == (
        "Begin at a.py:3.",
        "See it fail with the command below.",
    )
    assert (
        advised(reproduced=False)[1]
        == "Try the command below; here the failure was not seen again."
    )
