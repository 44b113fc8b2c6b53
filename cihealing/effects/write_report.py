"""The incident report of an escalated run: an owner, since when, what was tried, what is believed
and why, what to do next.
"""

from __future__ import annotations

import msgspec

from cihealing.diagnosis import diagnose
from cihealing.diagnosis.advice import next_steps
from cihealing.diagnosis.ranking import merged, ranked
from cihealing.domain import effects as f
from cihealing.domain.commands import RecordReport
from cihealing.domain.policy import Policy
from cihealing.domain.run import AttemptState, RunState, Seen
from cihealing.domain.values import AttemptStatus, Blame, Diagnosis, Failure, Hypothesis, Owner
from cihealing.effects.publish import page_of
from cihealing.effects.shared.frames import failure_of, suspects
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import Green, PermanentError, Tools, TransientError
from cihealing.wording.incident import (
    Build,
    Incident,
    IncidentStep,
    Reach,
    Tried,
    reproduce,
    to_dict,
    to_markdown,
)


def write_report(
    effect: f.WriteReport, *, run: RunState, policy: Policy, tools: Tools
) -> RecordReport:
    failure = failure_of(run, tools)
    owner = run.blame.owner or _owner(run, policy, tools)
    offline = diagnose(failure, owner=owner)
    diagnosis = merged(offline, run.diagnosis.believed)
    believed = ranked([diagnosis] if diagnosis is offline else [diagnosis, offline], _failed(run))
    incident = _incident(run, failure, diagnosis, believed, owner, policy, tools)
    told = {**to_dict(incident), "markdown": to_markdown(incident)}
    return RecordReport(
        report=tools.artifacts.put(msgspec.json.encode(told), kind="report"),
        owner=owner,
        diagnosis=diagnosis,
    )


HANDLER = EffectHandler(f.WriteReport, write_report)


def _owner(run: RunState, policy: Policy, tools: Tools) -> Owner | None:
    """A repository that cannot be asked has no owner that could be named; the report says so and is
    written all the same.
    """
    try:
        return tools.trees.owner(
            run.failure.repository,
            run.failure.commit,
            suspects(run, tools),
            policy=policy.repository(run.failure.repository),
        )
    except (PermanentError, TransientError):
        return None


def _next_steps(
    run: RunState, diagnosis: Diagnosis, owner: Owner | None, *, waiting: int
) -> tuple[str, ...]:
    return next_steps(
        blame=run.blame.verdict or Blame.UNKNOWN,
        failure_class=run.diagnosis.failure_class,
        owner=owner,
        look_at=diagnosis.look_at,
        waiting=waiting,
        branch=run.failure.branch,
        reproduced=bool(run.local.reproduced),
    )


def _reproduce(run: RunState) -> str:
    return reproduce(
        run.failure.commit, run.project.command or run.failure.command, path=run.project.workdir
    )


def _incident(
    run: RunState,
    failure: Failure,
    diagnosis: Diagnosis,
    believed: tuple[Hypothesis, ...],
    owner: Owner | None,
    policy: Policy,
    tools: Tools,
) -> Incident:
    reach = _reach(run, tools)
    return Incident(
        run_id=run.id,
        repository=run.failure.repository,
        branch=run.failure.branch,
        commit=run.failure.commit,
        job=run.failure.job,
        escalation_reason=run.end.escalation_reason,
        owner=owner,
        pipeline_url=run.failure.pipeline_url,
        error_type=run.failure.error_type,
        summary=run.failure.summary,
        failure_class=run.diagnosis.failure_class,
        confidence=run.diagnosis.confidence,
        signs=run.diagnosis.signs,
        blame=run.blame.verdict or Blame.UNKNOWN,
        reach=reach,
        last_green=_build(_last_green(run, policy, tools)),
        first_red=_first_red(run, tools),
        attempts=_tried(run),
        root_cause=diagnosis.root_cause,
        hypotheses=believed,
        proposed_fix=diagnosis.proposed_fix,
        look_at=diagnosis.look_at,
        excerpt=failure.excerpt,
        root_line=failure.root_line,
        next_steps=_next_steps(run, diagnosis, owner, waiting=reach.waiting),
        page_url=page_of(run, tools),
        change_url=run.change.url,
        next_command=_reproduce(run),
    )


def _first_red(run: RunState, tools: Tools) -> Build | None:
    return _build(
        tools.history.first_red(run.failure.repository, run.failure.job, run.failure.error_hash)
    )


def _failed(run: RunState) -> list[Diagnosis]:
    """What attempts stood on that were not proven."""
    tried = (*run.past_attempts, *run.attempts)
    return [a.diagnosis for a in tried if a.diagnosis and a.status is AttemptStatus.FAILED]


def _reach(run: RunState, tools: Tools) -> Reach:
    found = tools.history.affected(run.id)
    return Reach(
        runs=found.runs, branches=found.branches, waiting=found.waiting, cluster=found.cluster
    )


def _last_green(run: RunState, policy: Policy, tools: Tools) -> Green | None:
    """On the branch; where the job was never green there, on the branch it goes to."""
    if run.failure.failed_at is None:
        return None
    base = run.failure.base_branch or policy.repository(run.failure.repository).target_branch
    for branch in (run.failure.branch, base):
        green = tools.history.last_green(
            run.failure.repository,
            run.failure.job,
            branch,
            before=run.failure.failed_at,
            definition=run.failure.definition,
        )
        if green:
            return green
    return None


def _build(seen: Green | None) -> Build | None:
    return Build(commit=seen.commit, url=seen.url, at=seen.at) if seen else None


def _tried(run: RunState) -> tuple[Tried, ...]:
    before = (
        Tried(number=0, steps=_steps(run.local.observations)) if run.local.observations else None
    )
    attempts = [_attempt(a) for a in (*run.past_attempts, *run.attempts)]
    return (*([before] if before else []), *attempts)


def _attempt(attempt: AttemptState) -> Tried:
    return Tried(
        number=attempt.number,
        status=str(attempt.status),
        diagnosis=attempt.diagnosis.root_cause if attempt.diagnosis else "",
        proposed_fix=attempt.proposed_fix,
        failure_reason=attempt.failure_reason,
        steps=_steps(attempt.observations),
    )


def _steps(seen: tuple[Seen, ...]) -> tuple[IncidentStep, ...]:
    return tuple(IncidentStep(purpose=s.purpose, observation=s.seen) for s in seen)
