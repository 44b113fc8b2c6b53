"""What effects found out about a failure: its class, its command, what was seen when it ran."""

from __future__ import annotations

from typing import assert_never

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.events import Events
from cihealing.domain.plan import colours
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState, sameness
from cihealing.domain.values import SERVICE, Colour, FailureClass, Observation, Purpose, RunStatus


def reported(run: RunState, command: c.RecordReport) -> Events:
    fits = run.status is RunStatus.ESCALATED
    return (
        [e.ReportWritten(report=command.report, owner=command.owner, diagnosis=command.diagnosis)]
        if fits
        else []
    )


def classified(run: RunState, command: c.RecordClass) -> Events:
    if run.status is not RunStatus.QUEUED:
        return []
    found = e.FailureClassified(
        failure_class=command.failure_class,
        confidence=command.confidence,
        signs=command.signs,
        steps=command.steps,
    )
    return [e.RunStarted(), found, *_gathered(run, command)]


def _gathered(run: RunState, command: c.RecordClass) -> Events:
    """The machines and what they need fail for many at once: the first run stands for all that meet
    the same strong fingerprint.
    """
    if not run.failure.strong or command.failure_class not in (
        FailureClass.INFRA,
        FailureClass.ENV,
    ):
        return []
    if command.leader is None or command.leader == run.id:
        return [e.ClusterOpened()]
    reason = (
        "one of many runs that met this failure of the machines or their environment; another one"
        " stands for them"
    )
    return [
        e.RunClustered(leader=command.leader),
        e.RunEscalated(reason=reason, owner=run.blame.owner),
    ]


def project_found(command: c.RecordProject) -> e.ProjectFound:
    return e.ProjectFound(
        command=command.command,
        workdir=command.workdir,
        source=command.source,
        reason=command.reason,
        project=command.project,
    )


def observed(run: RunState, command: c.RecordObservation, policy: Policy) -> Events:
    if command.attempt and (run.proving is None or run.proving.number != command.attempt):
        return []
    ran = e.CommandRan(
        purpose=command.purpose, seen=command.seen, attempt=command.attempt, patch=command.patch
    )
    match command.purpose:
        case Purpose.REPRODUCE | Purpose.STEADY | Purpose.ISOLATE:
            return [ran, *_judge_failing_tree(run, command, policy)]
        case Purpose.SCREEN:
            return _screened(run, command, ran)
        case Purpose.DEBUG:
            return [ran, e.ContextCollected(log=command.seen.log, command=command.seen.command)]
        case Purpose.BASE:
            return []  # told by RecordBlame
        case Purpose.RED_BEFORE | Purpose.GREEN | Purpose.RED_AFTER | Purpose.CANARY:
            return [ran]
        case _:
            assert_never(command.purpose)


def _judge_failing_tree(run: RunState, command: c.RecordObservation, policy: Policy) -> Events:
    seen = command.seen
    if seen.colour is Colour.UNAVAILABLE:
        return [e.EnvironmentUnavailable(missing=seen.missing or "the command could not be run")]
    if seen.colour is Colour.TIMED_OUT:
        return (
            []
            if run.local.reproduced
            else [e.FailureNotReproduced(reason=f"the command did not end in {seen.seconds:.0f} s")]
        )
    alone = command.purpose is Purpose.ISOLATE
    red, green = (
        colours(run, Purpose.ISOLATE)
        if alone
        else colours(run, Purpose.REPRODUCE, Purpose.STEADY, Purpose.BASE)
    )
    red, green = red + (seen.colour is Colour.RED), green + (seen.colour is Colour.GREEN)
    if red and green:
        return flake(red, green, seen.environment)
    if alone:
        return []
    return _all_one_colour(run, seen, green, policy)


def flake(red: int, green: int, where: str) -> Events:
    return [
        e.FlakeProven(reds=red, greens=green, where=where),
        e.RunResolved(
            how="flake",
            by=SERVICE,
            note=f"{red} red and {green} green of one tree in one environment",
        ),
    ]


def _all_one_colour(run: RunState, seen: Observation, green: int, policy: Policy) -> Events:
    if green:
        return _all_green(run, green) if green >= policy.proof_repeats.steady else []
    if run.local.reproduced or run.local.not_reproduced:
        return []
    how = sameness(run, seen)
    if how:
        return [e.FailureReproduced(how=how)]
    other = seen.error_type or "an unknown error"
    return [
        e.FailureNotReproduced(
            reason=f"red here with another failure ({other}, exit {seen.exit_code})"
        )
    ]


def _all_green(run: RunState, green: int) -> Events:
    if run.blame.claimed_base:
        return [
            e.RunResolved(
                how="base_healed",
                by=SERVICE,
                note=f"{run.blame.claimed_base} is green at {run.head[:12]}",
            )
        ]
    if run.failure.greens:
        return flake(
            1,
            run.failure.greens,
            f"this CI job on this commit (and green {green} of {green} times here)",
        )
    return [e.FailureNotReproduced(reason=f"green {green} of {green} times here, red in CI")]


def _screened(run: RunState, command: c.RecordObservation, ran: e.CommandRan) -> Events:
    if command.attempt:
        return _attempt_screened(command, ran)
    candidate = run.patches.candidate
    if candidate is None or candidate.patch != command.patch:
        return []
    if command.seen.colour is not Colour.GREEN:
        reason = _not_green(command.seen)
        return [ran, e.PatchDropped(fixer=candidate.fixer, patch=candidate.patch, reason=reason)]
    number = len(run.attempts) + 1
    started = e.AttemptStarted(
        number=number, diagnoser=candidate.fixer, patch=candidate.patch, proposed_fix=candidate.told
    )
    return [ran, started]


def _attempt_screened(command: c.RecordObservation, ran: e.CommandRan) -> Events:
    """A model's patch is an attempt already: one run says whether the whole proof is worth
    making.
    """
    seen = command.seen
    if seen.colour is Colour.GREEN:
        return [ran]
    tests = f": {', '.join(seen.failed_tests[:3])}" if seen.failed_tests else ""
    return [ran, e.AttemptFailed(number=command.attempt, reason=f"{_not_green(seen)}{tests}")]


def _not_green(seen: Observation) -> str:
    """A command that could not run, or was ended for what it took, says nothing about the code:
    then why stands in place of its exit.
    """
    if seen.colour is Colour.UNAVAILABLE and seen.missing:
        return f"not green with it: {seen.missing}"
    return f"not green with it: {seen.colour}, exit {seen.exit_code}"
