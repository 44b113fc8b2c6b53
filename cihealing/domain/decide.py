"""What a command may make happen: facts, or a refusal. Pure; the only place where transitions are
allowed or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import assert_never

from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.evolve import evolve
from cihealing.domain.plan import advance, colours, why_escalated
from cihealing.domain.policy import MERGING_FORGES, Policy
from cihealing.domain.proof import is_flake
from cihealing.domain.run import Refused, Run, Stale, sameness
from cihealing.domain.values import (
    SERVICE,
    Actor,
    AttemptStatus,
    Blame,
    Colour,
    Digest,
    Evidence,
    FailureClass,
    Mode,
    Objection,
    Observation,
    Purpose,
    RunStatus,
)

Events = Sequence[e.RunEvent]
HEALABLE = (RunStatus.QUEUED, RunStatus.RUNNING)
OPEN = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.FIXED, RunStatus.ESCALATED)
ENDED = (RunStatus.RESOLVED, RunStatus.ABORTED)


def decide(run: Run, command: c.RunCommand, *, policy: Policy, now: datetime) -> list[e.RunEvent]:
    """The facts this command makes, in order; empty where it has nothing to add. Raises Refused,
    Stale.
    """
    events = list(_decide(run, command, policy, now))
    after = preview(run, events, now)
    exhausted = (
        bool(events)
        and after.status is RunStatus.RUNNING
        and advance(after, policy=policy, now=now) is None
    )
    return [*events, *_exhausted(after, policy)] if exhausted else events


def preview(run: Run, events: Events, now: datetime) -> Run:
    """The state these facts would lead to."""
    return reduce(
        evolve,
        (e.Envelope(event=event, at=now, actor=SERVICE, source="preview") for event in events),
        run,
    )


def _exhausted(run: Run, policy: Policy) -> Events:
    infra = run.failure_class is FailureClass.INFRA and run.blame is None
    blame: Events = (
        [
            e.BlameFound(
                blame=Blame.INFRA,
                reason="the log names the infrastructure, and reruns met it again",
            )
        ]
        if infra
        else []
    )
    return [*blame, e.RunEscalated(reason=why_escalated(run, policy), owner=run.owner)]


def _decide(run: Run, command: c.RunCommand, policy: Policy, now: datetime) -> Events:
    if isinstance(command, c.LifeCommand):
        return _life(run, command, policy, now)
    if isinstance(command, c.PublishCommand):
        return _published(run, command, policy)
    if isinstance(command, c.PersonCommand):
        return _person(run, command, policy)
    return _outcome(run, command, policy, now)


def _life(run: Run, command: c.LifeCommand, policy: Policy, now: datetime) -> Events:
    match command:
        case c.QueueRun(queued=queued):
            return [] if run.exists else [queued]
        case c.Recur(execution=execution):
            return [e.FailureRecurred(execution=execution)] if run.status in ENDED else []
        case c.Rehash(error_hash=error_hash, strong=strong):
            known = not run.exists or (run.error_hash, run.strong) == (error_hash, strong)
            return [] if known else [e.FailureRehashed(error_hash=error_hash, strong=strong)]
        case c.Supersede(successor=successor):
            return (
                [e.RunAborted(reason="superseded", by=SERVICE, successor=successor)]
                if run.open
                else []
            )
        case c.GreenLater(commit=commit):
            note = f"the job is green on {commit[:12]}"
            return (
                [e.RunResolved(how="green_later", by=SERVICE, note=note)]
                if run.status is RunStatus.ESCALATED
                else []
            )
        case c.CloseCluster():
            return [e.ClusterClosed()] if run.leads_cluster else []
        case c.FollowLeader():
            return _follow(run, command)
        case c.PassDeadline(promised=promised):
            return _deadline(run, policy, max(now, promised or now))
        case c.ExpireReview(version=version):
            unanswered = (
                run.status is RunStatus.FIXED and run.proven_at == version and not run.approved_by
            )
            return (
                [e.RunEscalated(reason="the review went unanswered", owner=run.owner)]
                if unanswered
                else []
            )
        case c.GiveUp():
            return _give_up(run, command)
        case _:
            assert_never(command)


def _follow(run: Run, command: c.FollowLeader) -> Events:
    """Where the leader stopped, its followers stop: nobody else works on what broke them."""
    if run.attached_to != command.leader or not run.open:
        return []
    match command.status:
        case RunStatus.RESOLVED:
            return [e.RunResolved(how="base_healed", by=SERVICE, note="the base branch was healed")]
        case RunStatus.ABORTED:
            note = "the run it was attached to was aborted"
            return [e.RunAborted(reason="leader", by=SERVICE, successor=command.leader, note=note)]
        case RunStatus.ESCALATED:
            return _escalated_with_leader(run) if run.status is RunStatus.RUNNING else []
        case _:
            return []


def _escalated_with_leader(run: Run) -> Events:
    reason = (
        "the base branch is broken in the same way, and the run that stands for it needs a person"
    )
    return [e.RunEscalated(reason=reason, owner=run.owner)]


def _deadline(run: Run, policy: Policy, now: datetime) -> Events:
    late = (
        run.status is RunStatus.RUNNING
        and not run.attached_to
        and run.seconds_running(now) >= policy.max_total_duration
    )
    reason = (
        f"time is used up: {run.seconds_running(now):.0f} s of {policy.max_total_duration:.0f} s"
    )
    return (
        [*_end_attempt(run, "time is used up"), e.RunEscalated(reason=reason, owner=run.owner)]
        if late
        else []
    )


def _end_attempt(run: Run, reason: str) -> Events:
    return [e.AttemptFailed(number=run.proving.number, reason=reason)] if run.proving else []


def _give_up(run: Run, command: c.GiveUp) -> Events:
    if not run.open:
        return []
    gave_up = e.EffectGaveUp(effect=command.effect, reason=command.reason)
    if run.status is RunStatus.ESCALATED:
        return [gave_up]
    reason = f"{command.effect} gave up: {command.reason}"
    return [gave_up, *_end_attempt(run, reason), e.RunEscalated(reason=reason, owner=run.owner)]


def _outcome(run: Run, command: c.OutcomeCommand, policy: Policy, now: datetime) -> Events:
    if isinstance(command, c.RecordReport):
        return _report(run, command)
    if isinstance(command, c.RecordExplanation):
        return _explained(run, command)
    if run.status not in HEALABLE:
        # the run was ended or escalated while the effect ran: its outcome changes nothing
        return []
    match command:
        case c.RecordClass():
            return _classified(run, command)
        case c.RecordProject():
            return [] if run.project_command else [_project(command)]
        case c.RecordObservation():
            return _observed(run, command, policy)
        case c.RecordAnswer():
            return _answered(run, command)
        case c.RecordNoAnswer():
            return _unanswered(run, command, now)
        case c.RecordBlame():
            return _blamed(run, command)
        case c.RecordRerun() | c.RecordRerunFinished() | c.LoseRerun():
            return _rerun(run, command)
        case c.RecordPatch():
            return _patch(run, command)
        case c.SkipStep(step=step, reason=reason):
            return [] if step in run.skipped else [e.StepSkipped(step=step, reason=reason)]
        case c.RecordProof():
            return _proof(run, command, policy)
        case _:
            assert_never(command)


def _report(run: Run, command: c.RecordReport) -> Events:
    fits = run.status is RunStatus.ESCALATED
    return (
        [e.ReportWritten(report=command.report, owner=command.owner, diagnosis=command.diagnosis)]
        if fits
        else []
    )


def _classified(run: Run, command: c.RecordClass) -> Events:
    if run.status is not RunStatus.QUEUED:
        return []
    found = e.FailureClassified(
        failure_class=command.failure_class,
        confidence=command.confidence,
        signs=command.signs,
        steps=command.steps,
    )
    return [e.RunStarted(), found, *_gathered(run, command)]


def _gathered(run: Run, command: c.RecordClass) -> Events:
    """The machines and what they need fail for many at once: the first run stands for all that meet
    the same strong fingerprint.
    """
    if not run.strong or command.failure_class not in (FailureClass.INFRA, FailureClass.ENV):
        return []
    if command.leader is None or command.leader == run.id:
        return [e.ClusterOpened()]
    reason = (
        "one of many runs that met this failure of the machines or their environment; another one"
        " stands for them"
    )
    return [e.RunClustered(leader=command.leader), e.RunEscalated(reason=reason, owner=run.owner)]


def _project(command: c.RecordProject) -> e.ProjectFound:
    return e.ProjectFound(
        command=command.command,
        workdir=command.workdir,
        source=command.source,
        reason=command.reason,
        project=command.project,
    )


def _observed(run: Run, command: c.RecordObservation, policy: Policy) -> Events:
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


def _judge_failing_tree(run: Run, command: c.RecordObservation, policy: Policy) -> Events:
    seen = command.seen
    if seen.colour is Colour.UNAVAILABLE:
        return [e.EnvironmentUnavailable(missing=seen.missing or "the command could not be run")]
    if seen.colour is Colour.TIMED_OUT:
        return (
            []
            if run.reproduced
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
        return _flake(red, green, seen.environment)
    if alone:
        return []
    return _all_one_colour(run, seen, green, policy)


def _flake(red: int, green: int, where: str) -> Events:
    return [
        e.FlakeProven(reds=red, greens=green, where=where),
        e.RunResolved(
            how="flake",
            by=SERVICE,
            note=f"{red} red and {green} green of one tree in one environment",
        ),
    ]


def _all_one_colour(run: Run, seen: Observation, green: int, policy: Policy) -> Events:
    if green:
        return _all_green(run, green) if green >= policy.proof_repeats.steady else []
    if run.reproduced or run.not_reproduced:
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


def _all_green(run: Run, green: int) -> Events:
    if run.claimed_base:
        return [
            e.RunResolved(
                how="base_healed",
                by=SERVICE,
                note=f"{run.claimed_base} is green at {run.head[:12]}",
            )
        ]
    if run.ci_greens:
        return _flake(
            1,
            run.ci_greens,
            f"this CI job on this commit (and green {green} of {green} times here)",
        )
    return [e.FailureNotReproduced(reason=f"green {green} of {green} times here, red in CI")]


def _screened(run: Run, command: c.RecordObservation, ran: e.CommandRan) -> Events:
    if command.attempt:
        return _attempt_screened(command, ran)
    candidate = run.candidate
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


def _calls(number: int, calls: Sequence[c.ModelCall]) -> list[e.RunEvent]:
    return [
        e.ModelAsked(
            number=number,
            provider=call.provider,
            model=call.model,
            region=call.region,
            prompt=call.prompt,
            prompt_version=call.prompt_version,
            answer=call.answer,
            outcome=call.outcome,
            problem=call.problem,
            usage=call.usage,
            cached_tokens=call.cached_tokens,
        )
        for call in calls
    ]


def _answered(run: Run, command: c.RecordAnswer) -> Events:
    calls = _calls(command.number, command.calls)
    if run.proving or command.number != len(run.attempts) + 1:
        return calls
    started = e.AttemptStarted(
        number=command.number,
        diagnoser=command.diagnoser,
        patch=command.patch,
        proposed_fix=command.proposed_fix,
        diagnosis=command.diagnosis,
        needs_person=tuple(o.text for o in command.objections if not o.hard),
        objections=command.objections,
    )
    refusal = command.reason or _refusal_of(run, command.patch, command.objections)
    return [
        *calls,
        started,
        *([e.AttemptFailed(number=command.number, reason=refusal)] if refusal else []),
    ]


MAX_PAUSES = 5
"""How often in a row nobody may answer before the run goes on without a model."""


def _unanswered(run: Run, command: c.RecordNoAnswer, now: datetime) -> Events:
    calls = _calls(command.number, command.calls)
    if command.budget:
        refused = e.BudgetRefused(scope=command.budget, reason=command.reason)
        return [*calls, refused, e.StepSkipped(step="model", reason=command.reason)]
    if command.delay is None or run.model_pauses >= MAX_PAUSES:
        return [*calls, e.StepSkipped(step="model", reason=command.reason)]
    return [
        *calls,
        e.ModelPaused(reason=command.reason, until=now + timedelta(seconds=command.delay)),
    ]


def _explained(run: Run, command: c.RecordExplanation) -> Events:
    if run.status is not RunStatus.ESCALATED:
        return _calls(0, command.calls)
    return [
        *_calls(0, command.calls),
        e.FailureExplained(diagnosis=command.diagnosis, reason=command.reason),
    ]


def _blamed(run: Run, command: c.RecordBlame) -> Events:
    if run.blame is not None:
        return []
    seen = command.seen
    ran: Events = [e.CommandRan(purpose=Purpose.BASE, seen=seen)] if seen else []
    blame = _blame_of(run, seen)
    found = e.BlameFound(
        blame=blame,
        reason=command.reason,
        base_commit=seen.commit if seen else "",
        owner=command.owner,
    )
    claim = _claim(run, command) if blame is Blame.BASE else []
    return [*ran, found, *claim]


def _blame_of(run: Run, seen: Observation | None) -> Blame:
    if seen is None:
        return Blame.UNKNOWN
    if seen.colour is Colour.GREEN:
        return Blame.CHANGE
    return Blame.BASE if sameness(run, seen) else Blame.UNKNOWN


def _claim(run: Run, command: c.RecordBlame) -> Events:
    if command.leader and command.leader != run.id:
        stopped = command.leader_status is RunStatus.ESCALATED
        return [
            e.AttachedToBase(leader=command.leader),
            *(_escalated_with_leader(run) if stopped else []),
        ]
    return (
        [e.BaseClaimed(branch=command.target, head=command.head)]
        if command.target and command.head
        else []
    )


def _rerun(run: Run, command: c.RecordRerun | c.RecordRerunFinished | c.LoseRerun) -> Events:
    match command:
        case c.RecordRerun(number=number, handle=handle):
            fits = not run.awaited_rerun and number == len(run.reruns) + 1
            return [e.RerunRequested(number=number, handle=handle)] if fits else []
        case c.RecordRerunFinished():
            return _rerun_finished(run, command) if run.awaited_rerun else []
        case c.LoseRerun(reason=reason) if reason:
            return [
                e.StepSkipped(step=step, reason=reason)
                for step in ("rerun", "recheck")
                if step not in run.skipped
            ]
        case c.LoseRerun(number=number):
            awaited = run.awaited_rerun
            return [e.RerunLost(number=number)] if awaited and awaited.number == number else []
        case _:
            assert_never(command)


def _rerun_finished(run: Run, command: c.RecordRerunFinished) -> Events:
    finished = e.RerunFinished(
        outcome=command.outcome, execution=command.execution, successor=command.successor
    )
    match command.outcome:
        case "green":
            return [finished, *_green_rerun(run)]
        case "other":
            return [
                finished,
                e.RunAborted(reason="changed", by=SERVICE, successor=command.successor),
            ]
        case _:
            return [finished]


def _green_rerun(run: Run) -> Events:
    """Red and green of one tree in one CI job: the infrastructure's doing where the log says so,
    else a flake.
    """
    infra = run.failure_class is FailureClass.INFRA
    reason = "the same job was green on a rerun of the same commit"
    blamed = e.BlameFound(blame=Blame.INFRA if infra else Blame.FLAKE, reason=reason)
    return [blamed, e.RunResolved(how="rerun_green", by=SERVICE, note=reason)]


def _patch(run: Run, command: c.RecordPatch) -> Events:
    found = e.PatchFound(
        fixer=command.fixer, told=command.told, patch=command.patch, objections=command.objections
    )
    refusal = _refusal(run, command)
    return (
        [found, e.PatchDropped(fixer=command.fixer, patch=command.patch, reason=refusal)]
        if refusal
        else [found]
    )


def _refusal(run: Run, command: c.RecordPatch) -> str:
    return _refusal_of(run, command.patch, command.objections)


def _refusal_of(run: Run, patch: Digest, objections: Sequence[Objection]) -> str:
    if patch in run.tried_patches:
        return "the same patch was tried before"
    if patch in run.refused_patches:
        return "a person refused this patch"
    hard = [o.text for o in objections if o.hard]
    return f"refused by the guard: {'; '.join(hard)}" if hard else ""


def _proof(run: Run, command: c.RecordProof, policy: Policy) -> Events:
    attempt = run.proving
    if attempt is None or attempt.number != command.number:
        return []
    if command.flake or is_flake(run):
        return _flaked(run, command)
    if command.faults:
        return [
            e.AttemptFailed(
                number=attempt.number, reason="; ".join(command.faults), usage=command.usage
            )
        ]
    proven = e.PatchProven(
        number=attempt.number,
        patch=attempt.patch,
        proof=command.proof,
        head=run.head,
        target=run.target,
        needs_person=attempt.needs_person,
        usage=command.usage,
    )
    by_itself = (
        policy.repository(run.repository).mode is Mode.OPEN
        and not policy.safe_mode
        and not attempt.needs_person
    )
    return [
        proven,
        *([e.Approved(act="publish", by=SERVICE, note="mode open")] if by_itself else []),
    ]


def _flaked(run: Run, command: c.RecordProof) -> Events:
    """The failing tree was green without the patch: on the head that was red before it is a flake,
    on a moved head it was healed there.
    """
    failed = e.AttemptFailed(
        number=command.number,
        reason="the failing tree was green without the patch",
        usage=command.usage,
    )
    unpatched = run.unpatched()
    greens = sum(o.colour is Colour.GREEN for o in unpatched)
    reds = sum(o.colour is Colour.RED for o in unpatched)
    if not reds:
        return [
            failed,
            e.RunResolved(
                how="green_later",
                by=SERVICE,
                note=f"{run.target} is green at {run.head[:12]} without the patch",
            ),
        ]
    return [failed, *_flake(reds, greens, unpatched[0].environment)]


def _published(run: Run, command: c.PublishCommand, policy: Policy) -> Events:
    if isinstance(command, c.RecordHumanFix):
        return (
            [] if run.human_fix else [e.HumanFixProven(commit=command.commit, patch=command.patch)]
        )
    if run.status is not RunStatus.FIXED:
        return _late(run, command)
    match command:
        case c.RecordPublished(url=url, commit=commit, merged=merged):
            done: Events = [e.RunResolved(how="merged", by=run.approved_by)] if merged else []
            return [e.ChangePublished(url=url, commit=commit, merged=merged), *done]
        case c.RecordPublishFailed(reason=reason):
            return [e.PublishFailed(reason=reason)]
        case c.RecordHeadMoved(expected=expected, found=found):
            return (
                [e.HeadMoved(expected=expected, found=found)]
                if run.attempt and run.head == expected
                else []
            )
        case c.RecordChange():
            return (
                _looked(run, command, policy)
                if run.change_open and run.pr_url == command.url
                else []
            )
        case _:
            assert_never(command)


def _looked(run: Run, command: c.RecordChange, policy: Policy) -> Events:
    by = Actor(kind="person", name=command.by or "somebody at the forge")
    if command.state == "merged":
        merged = e.ChangePublished(
            url=command.url, commit=command.merged_commit or command.head, merged=True
        )
        return [merged, e.RunResolved(how="merged", by=by)]
    if command.state == "closed" or command.opted_out:
        why = f"closed by {by.name}" if command.state == "closed" else "labelled cihealing:off"
        closed = e.ChangeClosed(url=command.url, by=command.by, reason=why)
        return [
            closed,
            e.PatchDenied(by=by, patch=run.patch, note=why),
            e.RunEscalated(reason=f"the change was {why}", owner=run.owner),
        ]
    return _checked(run, command, policy)


def _checked(run: Run, command: c.RecordChange, policy: Policy) -> Events:
    """Only what its CI says of the commit that was published counts: others may push to the
    branch.
    """
    if command.head != run.change_commit or command.checks == run.change_checks:
        return []
    checked = e.ChangeChecked(head=command.head, checks=command.checks, failing=command.failing)
    if command.checks != "red" or run.approved_by:
        return [checked]
    reason = f"the change's own CI is red: {', '.join(command.failing[:5]) or 'no check is named'}"
    return [checked, e.ChangeFailed(number=run.attempts[-1].number, reason=reason)]


def _late(run: Run, command: c.PublishCommand) -> Events:
    """A publisher that was overtaken: what it did is kept."""
    if not isinstance(command, c.RecordPublished) or run.merged_commit == command.commit:
        return []
    known = run.pr_url == command.url and not command.merged
    return (
        []
        if known
        else [
            e.LateOutcome(
                effect="publish",
                outcome=f"{'merged' if command.merged else 'opened'} {command.url}",
            )
        ]
    )


def _person(run: Run, command: c.PersonCommand, policy: Policy) -> Events:
    if not run.exists:
        raise Refused("there is no such run")
    match command:
        case c.Approve():
            return _approve(run, command, policy)
        case c.Deny():
            return _deny(run, command)
        case c.Abort(by=by, note=note):
            run.require(*OPEN)
            run.require_version(command.version)
            return [
                *_end_attempt(run, "aborted by a person"),
                e.RunAborted(reason="person", by=by, note=note),
            ]
        case c.Retry():
            run.require(RunStatus.ESCALATED, *ENDED)
            run.require_version(command.version)
            return [
                e.RunRetried(
                    generation=run.generation + 1,
                    by=command.by,
                    policy=command.policy,
                    note=command.note,
                )
            ]
        case c.FixByHand(by=by, note=note):
            run.require(RunStatus.ESCALATED)
            run.require_version(command.version)
            return [e.RunResolved(how="human_fix", by=by, note=note, commit=command.commit)]
        case _:
            assert_never(command)


def _approve(run: Run, command: c.Approve, policy: Policy) -> Events:
    run.require(RunStatus.FIXED)
    if command.version is None or command.version != run.version:
        raise Stale(run.version)
    if command.act not in ("publish", "merge"):
        raise Refused("approve names its act: publish or merge")
    if run.approved_by:
        raise Refused(f"{run.approved_by.name} approved it already")
    if wrong := _wrong_act(run, command.act, policy):
        raise Refused(wrong)
    if (
        run.evidence not in (Evidence.PROVEN, Evidence.CI_PROVEN)
        or not run.proof
        or run.attempt is None
        or run.attempt.status is not AttemptStatus.SUCCEEDED
    ):
        raise Refused("there is no proof to approve")
    return [e.Approved(act=command.act, by=command.by, note=command.note)]


def _wrong_act(run: Run, act: str, policy: Policy) -> str:
    if act == "publish" and run.change_open:
        return "the change is open already: what is left to approve is its merge"
    merges_at_once = policy.repository(run.repository).forge in MERGING_FORGES
    return (
        "no change is open: approve its publishing first"
        if act == "merge" and not (run.change_open or merges_at_once)
        else ""
    )


def _deny(run: Run, command: c.Deny) -> Events:
    run.require(RunStatus.FIXED)
    run.require_version(command.version)
    if run.approved_by:
        raise Refused(f"{run.approved_by.name} approved it already")
    told = f"denied by {command.by.name}" + (f": {command.note}" if command.note else "")
    closed = (
        [e.ChangeClosed(url=run.pr_url, by=command.by.name, reason=told)] if run.change_open else []
    )
    return [
        *closed,
        e.PatchDenied(by=command.by, patch=run.patch, note=command.note),
        e.RunEscalated(reason=told[:1000], owner=run.owner),
    ]
