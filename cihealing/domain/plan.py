"""What a running run does next: the steps of its pinned playbook, one after the other, as a pure
function of the state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from cihealing.domain.effects import (
    AskModel,
    AskRerun,
    FindBlame,
    FindProject,
    JudgeProof,
    RunCommand,
    RunEffect,
    TryFixers,
)
from cihealing.domain.policy import Policy
from cihealing.domain.proof import next_purpose
from cihealing.domain.run import AttemptState, Candidate, RunState
from cihealing.domain.values import Blame, Colour, Purpose, RunStatus


class Wait:
    """Nothing to do until something outside happens; a timer watches over it."""


WAIT = Wait()
Next = RunEffect | Wait | None
Step = Callable[[RunState, Policy, datetime], Next]


def advance(run: RunState, *, policy: Policy, now: datetime) -> Next:
    """The one next effect, WAIT, or None where the playbook has nothing left (then the run
    escalates).
    """
    if run.status is not RunStatus.RUNNING or run.cluster.attached_to or run.awaited_rerun:
        return WAIT
    if run.proving:
        return _prove(run, run.proving, policy)
    if run.patches.candidate and not run.patches.candidate.screened:
        return _screen(run, run.patches.candidate)
    for name in run.plan.steps:
        following = None if name in run.plan.skipped else STEPS[name](run, policy, now)
        if following is not None:
            return following
    return None


def _prove(run: RunState, attempt: AttemptState, policy: Policy) -> RunEffect:
    if not any(s.purpose is Purpose.SCREEN for s in attempt.observations):
        return RunCommand(
            purpose=Purpose.SCREEN, commit=run.head, attempt=attempt.number, patch=attempt.patch
        )
    purpose = next_purpose(attempt, policy)
    if purpose is None:
        return JudgeProof(attempt=attempt.number)
    patched = purpose in (Purpose.GREEN, Purpose.CANARY)
    return RunCommand(
        purpose=purpose,
        commit=run.head,
        attempt=attempt.number,
        patch=attempt.patch if patched else "",
        index=len(attempt.observations),
    )


def _screen(run: RunState, candidate: Candidate) -> RunEffect:
    return RunCommand(
        purpose=Purpose.SCREEN,
        commit=run.head,
        patch=candidate.patch,
        index=len(run.local.observations),
    )


def _command(run: RunState, purpose: Purpose) -> RunEffect:
    return RunCommand(purpose=purpose, commit=run.head, index=len(run.local.observations))


def _runnable(run: RunState) -> bool:
    return bool(run.project.command) and not run.local.unavailable


def reproduce(run: RunState, policy: Policy, now: datetime) -> Next:
    """Run the failing commit; where it is green, again, until it is red once or all of them were
    green.
    """
    if not run.project.command:
        return None if run.project.reason else FindProject()
    if run.local.reproduced or run.local.not_reproduced or run.local.unavailable:
        return None
    return _command(run, Purpose.STEADY if run.at_head(Purpose.REPRODUCE) else Purpose.REPRODUCE)


def steady(run: RunState, policy: Policy, now: datetime) -> Next:
    """Deterministic needs `steady` of `steady` red."""
    if not run.local.reproduced or not _runnable(run):
        return None
    seen = run.at_head(Purpose.REPRODUCE, Purpose.STEADY)
    return _command(run, Purpose.STEADY) if len(seen) < policy.proof_repeats.steady else None


def isolate(run: RunState, policy: Policy, now: datetime) -> Next:
    """The failing tests alone, until they were both red and green, or often enough of one
    colour.
    """
    if not run.local.reproduced or not _runnable(run) or not run.failure.failed_tests:
        return None
    seen = run.at_head(Purpose.ISOLATE)
    return _command(run, Purpose.ISOLATE) if len(seen) < policy.proof_repeats.steady else None


def debug(run: RunState, policy: Policy, now: datetime) -> Next:
    return (
        _command(run, Purpose.DEBUG)
        if run.local.reproduced and _runnable(run) and not run.local.context
        else None
    )


def blame(run: RunState, policy: Policy, now: datetime) -> Next:
    return (
        FindBlame()
        if run.local.reproduced and run.blame.verdict is None and _runnable(run)
        else None
    )


def fixers(run: RunState, policy: Policy, now: datetime) -> Next:
    """Only what was reproduced can be proven, and only that is tried."""
    useful = run.local.reproduced and run.blame.verdict is not Blame.FLAKE and _runnable(run)
    return TryFixers() if useful and run.attempts_left(policy) > 0 else None


def model(run: RunState, policy: Policy, now: datetime) -> Next:
    """Ask a model for the next attempt's patch: what it proposes is an attempt at once, of use or
    not.
    """
    useful = (
        run.local.reproduced
        and run.blame.verdict is not Blame.FLAKE
        and _runnable(run)
        and policy.allows_ai(run.failure.repository)
    )
    if not useful or run.attempts_left(policy) == 0:
        return None
    return AskModel(number=len(run.attempts) + 1, not_before=run.models.not_before)


def rerun(run: RunState, policy: Policy, now: datetime) -> Next:
    """Ask CI for a rerun of the unchanged commit, ever later, as often as policy allows."""
    number = len(run.reruns) + 1
    if not policy.auto_rerun or number > policy.max_auto_reruns:
        return None
    return AskRerun(
        number=number, not_before=now + timedelta(seconds=policy.rerun_backoff * 2 ** (number - 1))
    )


def recheck(run: RunState, policy: Policy, now: datetime) -> Next:
    """Red in CI and green here says little: a rerun of the job itself says more."""
    return rerun(run, policy, now) if run.local.not_reproduced else None


STEPS: Mapping[str, Step] = {
    "reproduce": reproduce,
    "steady": steady,
    "isolate": isolate,
    "debug": debug,
    "blame": blame,
    "fixers": fixers,
    "model": model,
    "rerun": rerun,
    "recheck": recheck,
}


def why_escalated(run: RunState, policy: Policy) -> str:
    """In a sentence for the owner: why the service stops here."""
    if run.local.unavailable:
        return f"the environment is unavailable: {run.local.unavailable}"
    if run.project.reason and not run.project.command:
        return run.project.reason
    if run.local.not_reproduced:
        return f"not reproduced: {run.local.not_reproduced}"
    if run.attempts and run.attempts_left(policy) == 0:
        return f"all {len(run.attempts)} attempts are used up"
    if run.reruns:
        return f"{len(run.reruns)} reruns did not clear it"
    if not run.plan.steps:
        return "diagnosis only: policy lets no code of this repository run"
    return (
        "no fixer could heal it: a person is needed"
        if not run.attempts
        else "no further fix was found"
    )


def colours(run: RunState, *purposes: Purpose) -> tuple[int, int]:
    """(red, green) among what was seen at the head."""
    seen = run.at_head(*purposes)
    return sum(o.colour is Colour.RED for o in seen), sum(o.colour is Colour.GREEN for o in seen)
