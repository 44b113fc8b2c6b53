"""What people in a chat are told of a run: plain values, which the provider escapes. Pure."""

from __future__ import annotations

from cihealing.domain import review
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Failure, RunStatus
from cihealing.ports import Button, Message

MAX_TEXT = 1_500
MAX_DETAILS = 8_000
OFFERED = ("approve", "deny")
"""Of what a person may do, what a chat has a button for."""
TONES = {
    RunStatus.ESCALATED: "bad",
    RunStatus.FIXED: "waiting",
    RunStatus.RESOLVED: "good",
    RunStatus.ABORTED: "neutral",
}


def message_of(
    run: RunState, *, policy: Policy, url: str, failure: Failure | None, count: int = 1
) -> Message:
    """The one message of a run as it stands now. `count`: runs it speaks for, where it leads a
    cluster.
    """
    return Message(
        run_id=str(run.id),
        title=_title(run, count),
        fields=tuple(_fields(run)),
        text=_text(run, failure),
        details=_details(run),
        link=url,
        buttons=_buttons(run, policy),
        tone=TONES.get(run.status, "neutral"),
    )


def _title(run: RunState, count: int) -> str:
    job = f"{run.failure.job or 'the build'} of {run.failure.repository}"
    many = f" ({count} runs met this failure)" if count > 1 else ""
    match run.status:
        case RunStatus.ESCALATED:
            return f"{job} needs {run.blame.owner.name if run.blame.owner else 'an owner'}{many}"
        case RunStatus.FIXED if run.change.open:
            return (
                f"A proven fix for {job} is open ({run.change.checks or 'its CI has not said yet'})"
            )
        case RunStatus.FIXED:
            return f"A proven fix for {job} waits for approval"
        case RunStatus.RESOLVED:
            return f"{job} is healed ({run.end.resolution.replace('_', ' ')})"
        case RunStatus.ABORTED:
            return f"{job}: the run was aborted ({run.end.abort_reason})"
        case _:
            return f"{job} is being healed"


def _fields(run: RunState) -> list[tuple[str, str]]:
    facts = [
        ("Branch", run.failure.branch),
        ("Commit", run.failure.commit[:12]),
        ("Class", f"{run.diagnosis.failure_class} ({run.diagnosis.confidence:.0%})"),
        ("Blame", str(run.blame.verdict or "")),
        ("Evidence", str(run.evidence)),
        ("Attempts", str(len(run.attempts)) if run.attempts else ""),
        ("Owner", f"{run.blame.owner.name} ({run.blame.owner.source})" if run.blame.owner else ""),
        ("Models", f"{run.models.cost_usd:.2f} USD" if run.models.asked else ""),
        ("Decided by", run.review.approved_by.name if run.review.approved_by else ""),
        ("Change", run.change.url),
    ]
    return [(name, value[:200]) for name, value in facts if value]


def _text(run: RunState, failure: Failure | None) -> str:
    why = run.end.escalation_reason if run.status is RunStatus.ESCALATED else ""
    cited = [
        f"{line.line:>6} {line.text}"
        for line in (failure.excerpt if failure else ())
        if failure and line.line == failure.root_line
    ]
    return "\n".join(part for part in (run.failure.summary, why, *cited) if part)[:MAX_TEXT]


def _details(run: RunState) -> str:
    """For the thread: what was tried, and what is believed."""
    tried = [
        f"Attempt {a.number} ({a.diagnoser}): {a.proposed_fix or 'no patch'}:"
        f" {a.failure_reason or a.status}"
        for a in run.attempts
    ]
    believed = (
        [run.diagnosis.believed.root_cause, run.diagnosis.believed.proposed_fix]
        if run.diagnosis.believed
        else []
    )
    return "\n".join(part for part in (*tried, *believed, *run.plan.notes[-10:]) if part)[
        :MAX_DETAILS
    ]


def _buttons(run: RunState, policy: Policy) -> tuple[Button, ...]:
    """Bound to the version that was shown: who presses an old one is told to look again."""
    act = review.act(run, policy)
    labels = {"approve": "Merge" if act == "merge" else "Approve", "deny": "Deny"}
    return tuple(
        Button(
            label=labels[action],
            action=action,
            value=f"{run.id}|{act if action == 'approve' else ''}|{run.version}",
        )
        for action in OFFERED
        if action in review.actions(run)
    )
