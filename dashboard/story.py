"""A run told in a few words: what happened in a sentence, and how far it came. Pure; decides
nothing about the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cihealing.domain.values import Stage
from cihealing.read.rows import RunDetail, RunRow

CLASSES = {
    "infra": "infrastructure",
    "env": "environment",
    "data": "test data",
    "flaky": "flaky test",
    "product": "product code",
    "automation": "test automation",
    "unknown": "not known",
}
EVIDENCE = {
    "none": "nothing shown yet",
    "not_reproduced": "could not be reproduced here",
    "reproduced": "reproduced here",
    "proven": "fix proven in the sandbox",
    "ci_proven": "fix proven by its own CI",
}
RESOLUTIONS = {
    "merged": "The proven fix was merged.",
    "rerun_green": "CI ran the unchanged commit again and it was green: no patch was needed.",
    "flake": (
        "Proven flake: the same tree was red and green in the same environment. No patch was made."
    ),
    "base_healed": "The base branch it failed on is healed.",
    "human_fix": "A person fixed it.",
    "green_later": "The job is green on a later commit of the branch.",
}
ABORTS = {
    "person": "A person ended it.",
    "superseded": "The same failure came up on a newer commit, whose run goes on with it.",
    "leader": "The run it was attached to was ended.",
    "changed": "The rerun failed for another reason, which has a run of its own.",
}


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


def steps(run: RunDetail) -> tuple[Step, ...]:
    """The eight stages. A stage is done when the run shows its trace, for not every run takes every
    one.
    """
    return tuple(Step(name=stage, state=_state(run, stage)) for stage in Stage)


def _state(run: RunDetail, stage: Stage) -> str:
    if run.status in ("fixed", "escalated") and run.stage == stage:
        return "halt"
    if run.status in ("queued", "running") and run.stage == stage:
        return "now"
    return "done" if TRACES[stage](run) else "todo"


TRACES: dict[Stage, Callable[[RunDetail], bool]] = {
    Stage.LAUNCH: lambda run: run.version > 0,
    Stage.READING: lambda run: (
        bool(run.state.plan.steps) or run.stage not in (Stage.LAUNCH, Stage.READING)
    ),
    Stage.DIAGNOSIS: lambda run: bool(run.state.plan.steps) and run.stage != Stage.READING,
    Stage.REMEDIATION: lambda run: bool(
        run.attempts or run.state.plan.skipped or run.candidate or run.observations
    ),
    Stage.PROOF: lambda run: bool(run.attempts),
    Stage.REVIEW: lambda run: bool(run.approved_by or run.proof_hash),
    Stage.RERUN: lambda run: bool(run.state.reruns),
    Stage.ESCALATION: lambda run: bool(run.escalation_reason),
}


def evidence(run: RunDetail) -> str:
    """What the claims about the run stand on, in words."""
    return (
        "red and green of one tree"
        if run.resolution == "flake"
        else EVIDENCE.get(run.evidence, run.evidence)
    )


def sentence(run: RunDetail) -> str:
    """What happened so far and what comes next."""
    if run.attached_to and not run.ended:
        return (
            "The base branch is broken in the same way. Another run stands for it; this one ends"
            " with that one."
        )
    return " ".join(part for part in TOLD[run.status](run) if part)


def _queued(run: RunDetail) -> tuple[str, ...]:
    return (f"{_failed(run)} It waits for a worker.",)


def _running(run: RunDetail) -> tuple[str, ...]:
    doing = {
        Stage.READING: "Reading the log.",
        Stage.DIAGNOSIS: "Finding out what broke and who is to blame.",
        Stage.REMEDIATION: "Looking for a fix.",
        Stage.PROOF: "Running the command without and with the patch.",
        Stage.RERUN: "Waiting for CI to run the unchanged commit again.",
    }
    return (_failed(run), _seen(run), doing.get(Stage(run.stage), "At work."))


def _fixed(run: RunDetail) -> tuple[str, ...]:
    if run.approved_by:
        return (
            _failed(run),
            f"{run.approved_by} approved the proven fix; it is being carried out.",
        )
    return (_failed(run), "A fix is proven: red without the patch, green with it.", _waits(run))


def _waits(run: RunDetail) -> str:
    where = run.state.change.target or run.branch
    if run.state.change.open:
        said = {
            "green": "its own CI is green",
            "red": "its own CI is red",
            "pending": "its own CI is at work",
        }
        its_ci = said.get(run.state.change.checks, "its own CI has not said yet")
        return f"Its change is open ({its_ci}) and waits for a person to merge it into {where}."
    if run.act == "publish":
        return f"It waits for a person to open a change to {where} with it."
    return f"It waits for a person to merge it into {where}."


def _escalated(run: RunDetail) -> tuple[str, ...]:
    tries = (
        "No fix was found"
        if not run.attempt_count
        else (
            f"{run.attempt_count} {'attempt' if run.attempt_count == 1 else 'attempts'} did not"
            " fix it"
        )
    )
    return (
        _failed(run),
        _seen(run),
        f"{tries}; {run.owner or 'somebody'} takes over.",
        _stop(f"Reason: {run.escalation_reason}" if run.escalation_reason else ""),
    )


def _resolved(run: RunDetail) -> tuple[str, ...]:
    return (_failed(run), RESOLUTIONS.get(run.resolution, "Resolved."))


def _aborted(run: RunDetail) -> tuple[str, ...]:
    return (_failed(run), ABORTS.get(run.state.end.abort_reason, "Aborted."))


TOLD: dict[str, Callable[[RunDetail], tuple[str, ...]]] = {
    "queued": _queued,
    "running": _running,
    "fixed": _fixed,
    "escalated": _escalated,
    "resolved": _resolved,
    "aborted": _aborted,
}


def _failed(run: RunRow) -> str:
    return f"{run.job or 'A job'} failed on {run.branch} at {run.short_commit}."


def _seen(run: RunDetail) -> str:
    if run.state.local.unavailable:
        return _stop(f"It could not be run here: {run.state.local.unavailable}")
    if run.state.local.not_reproduced:
        return _stop(f"It was not reproduced here: {run.state.local.not_reproduced}")
    return "It was reproduced here." if run.state.local.reproduced else ""


def _stop(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
