"""What a person does next with an escalated failure: from what is known, in order, without a model.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cihealing.domain.values import Blame, FailureClass, Owner

MAX_STEPS = 5


def next_steps(
    *,
    blame: Blame,
    failure_class: FailureClass,
    owner: Owner | None,
    look_at: Sequence[str],
    waiting: int,
    branch: str,
    reproduced: bool,
) -> tuple[str, ...]:
    return tuple(_steps(blame, failure_class, owner, look_at, waiting, branch, reproduced))[
        :MAX_STEPS
    ]


def _steps(
    blame: Blame,
    kind: FailureClass,
    owner: Owner | None,
    look_at: Sequence[str],
    waiting: int,
    branch: str,
    reproduced: bool,
) -> Iterator[str]:
    yield _first(blame, kind, owner, waiting, branch)
    if look_at:
        yield f"Begin at {look_at[0]}."
    yield (
        "See it fail with the command below."
        if reproduced
        else "Try the command below; here the failure was not seen again."
    )
    yield (
        "Once it is mended, name its commit under “I fixed it” on the run's page: the same failure"
        " is then mended the same way."
    )


def _first(blame: Blame, kind: FailureClass, owner: Owner | None, waiting: int, branch: str) -> str:
    who = owner.name if owner else "whoever knows this part"
    if blame is Blame.BASE:
        waits = "run waits" if waiting == 1 else "runs wait"
        held = f"; {waiting} other {waits} for it" if waiting else ""
        return f"Mend the branch that {branch} starts from: it fails in the same way{held}."
    if blame is Blame.FLAKE:
        return (
            "Run the job again, and ask why it is now red, now green: time, order, network or"
            " shared state."
        )
    if blame is Blame.INFRA or kind is FailureClass.INFRA:
        return (
            "Look whether the service named in the cited lines is up, then run the job again: no"
            " code is at fault as far as is known."
        )
    if kind is FailureClass.ENV:
        return (
            "Give the job what the cited lines miss (a tool, a version, a variable), then run it"
            " again."
        )
    if blame is Blame.CHANGE:
        return f"Ask {who}: the change on {branch} broke it."
    return f"Ask {who} to read the cited lines: what broke it is not known."
