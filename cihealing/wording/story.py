"""A run told in a few words: what happened in a sentence, and how far it came. Pure; decides
nothing about the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cihealing.domain.run import RunState
from cihealing.domain.values import RunStatus, Stage
from cihealing.wording.vocabulary import ABORTS, EVIDENCE, resolution


@dataclass(frozen=True, kw_only=True)
class Step:
    name: str
    state: str
    """`done`, `now`, `halt` (waits for a person) or `todo`."""

    @property
    def said(self) -> str:
        return {
            "done": "done",
            "now": "in progress",
            "halt": "waits for a person",
            "todo": "not taken",
        }[self.state]


def steps(run: RunState) -> tuple[Step, ...]:
    """The eight stages. A stage is done when the run shows its trace, for not every run takes every
    one.
    """
    return tuple(Step(name=stage, state=_state(run, stage)) for stage in Stage)


def _state(run: RunState, stage: Stage) -> str:
    if run.status in (RunStatus.FIXED, RunStatus.ESCALATED) and run.stage == stage:
        return "halt"
    if run.status in (RunStatus.QUEUED, RunStatus.RUNNING) and run.stage == stage:
        return "now"
    return "done" if TRACES[stage](run) else "todo"


TRACES: dict[Stage, Callable[[RunState], bool]] = {
    Stage.LAUNCH: lambda run: run.version > 0,
    Stage.READING: lambda run: (
        bool(run.plan.steps) or run.stage not in (Stage.LAUNCH, Stage.READING)
    ),
    Stage.DIAGNOSIS: lambda run: bool(run.plan.steps) and run.stage != Stage.READING,
    Stage.REMEDIATION: lambda run: bool(
        run.attempts or run.plan.skipped or run.patches.candidate or run.local.observations
    ),
    Stage.PROOF: lambda run: bool(run.attempts),
    Stage.REVIEW: lambda run: bool(run.review.approved_by or run.review.proof),
    Stage.RERUN: lambda run: bool(run.reruns),
    Stage.ESCALATION: lambda run: bool(run.end.escalation_reason),
}


def evidence(run: RunState) -> str:
    """What the claims about the run stand on, in words."""
    return "red and green of one tree" if run.end.resolution == "flake" else EVIDENCE[run.evidence]


def sentence(run: RunState, *, act: str) -> str:
    """What happened so far and what comes next. `act`: what approving would do now."""
    if run.cluster.attached_to and not run.status.ended:
        return (
            "The base branch is broken in the same way. Another run stands for it; this one ends"
            " with that one."
        )
    told = _fixed(run, act) if run.status is RunStatus.FIXED else TOLD[run.status](run)
    return " ".join(part for part in told if part)


def _queued(run: RunState) -> tuple[str, ...]:
    return (f"{_failed(run)} It waits for a worker.",)


def _running(run: RunState) -> tuple[str, ...]:
    doing = {
        Stage.READING: "Reading the log.",
        Stage.DIAGNOSIS: "Finding out what broke and who is to blame.",
        Stage.REMEDIATION: "Looking for a fix.",
        Stage.PROOF: "Running the command without and with the patch.",
        Stage.RERUN: "Waiting for CI to run the unchanged commit again.",
    }
    return (_failed(run), _seen(run), doing.get(run.stage, "At work."))


def _fixed(run: RunState, act: str) -> tuple[str, ...]:
    if run.review.approved_by:
        return (
            _failed(run),
            f"{run.review.approved_by.name} approved the proven fix; it is being carried out.",
        )
    return (
        _failed(run),
        "A fix is proven: red without the patch, green with it.",
        _waits(run, act),
    )


def _waits(run: RunState, act: str) -> str:
    where = run.change.target or run.failure.branch
    if run.change.open:
        said = {
            "green": "its own CI is green",
            "red": "its own CI is red",
            "pending": "its own CI is at work",
        }
        its_ci = said.get(run.change.checks, "its own CI has not said yet")
        return f"Its change is open ({its_ci}) and waits for a person to merge it into {where}."
    if act == "publish":
        return f"It waits for a person to open a change to {where} with it."
    return f"It waits for a person to merge it into {where}."


def _escalated(run: RunState) -> tuple[str, ...]:
    tries = (
        "No fix was found"
        if not run.attempts
        else (
            f"{len(run.attempts)} {'attempt' if len(run.attempts) == 1 else 'attempts'} did not"
            " fix it"
        )
    )
    owner = run.blame.owner.name if run.blame.owner else "somebody"
    return (
        _failed(run),
        _seen(run),
        f"{tries}; {owner} takes over.",
        _stop(f"Reason: {run.end.escalation_reason}" if run.end.escalation_reason else ""),
    )


def _resolved(run: RunState) -> tuple[str, ...]:
    return (_failed(run), resolution(run.end.resolution).long)


def _aborted(run: RunState) -> tuple[str, ...]:
    return (_failed(run), ABORTS.get(run.end.abort_reason, "Aborted."))


TOLD: dict[RunStatus, Callable[[RunState], tuple[str, ...]]] = {
    RunStatus.QUEUED: _queued,
    RunStatus.RUNNING: _running,
    RunStatus.ESCALATED: _escalated,
    RunStatus.RESOLVED: _resolved,
    RunStatus.ABORTED: _aborted,
}


def _failed(run: RunState) -> str:
    return (
        f"{run.failure.job or 'A job'} failed on {run.failure.branch} at {run.failure.commit[:10]}."
    )


def _seen(run: RunState) -> str:
    if run.local.unavailable:
        return _stop(f"It could not be run here: {run.local.unavailable}")
    if run.local.not_reproduced:
        return _stop(f"It was not reproduced here: {run.local.not_reproduced}")
    return "It was reproduced here." if run.local.reproduced else ""


def _stop(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
