"""Bring a proven and approved patch to the forge: once, whatever crashes where."""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.commands import RecordHeadMoved, RecordPublished, RecordPublishFailed
from cihealing.domain.policy import Policy
from cihealing.domain.run import Run
from cihealing.failpoints import failpoint
from cihealing.ports import HeadMoved, PermanentError, Published, Tools


def publish(effect: f.Publish, *, run: Run, policy: Policy, tools: Tools) -> RecordPublished | RecordPublishFailed | RecordHeadMoved:
    failpoint("publish.before_merge")
    try:
        done = _publish(effect, run, policy, tools)
    except HeadMoved as moved:
        found = moved.found or ""
        return RecordHeadMoved(expected=effect.head, found=found) if found else RecordPublishFailed(reason=str(moved))
    except PermanentError as error:
        return RecordPublishFailed(reason=str(error))
    failpoint("publish.after_merge")
    return RecordPublished(url=done.url, commit=done.commit, merged=done.merged)


def _publish(effect: f.Publish, run: Run, policy: Policy, tools: Tools) -> Published:
    repository = policy.repository(run.repository)
    forge = tools.forges.get(repository.forge)
    if forge is None:
        raise PermanentError(f"there is no forge {repository.forge}: policy names one of {', '.join(sorted(tools.forges))}")
    return forge.publish(
        run_id=str(run.id),
        repository=run.repository,
        branch=effect.target,
        head=effect.head,
        patch=tools.artifacts.text(effect.patch),
        title=title_of(run),
        body=body_of(run),
        act=effect.act,
        actor=run.approved_by.name if run.approved_by else "",
        policy=repository,
    )


def title_of(run: Run) -> str:
    told = run.attempt.proposed_fix if run.attempt else run.summary
    return f"Heal {run.job or 'the build'}: {told}"[:120]


def body_of(run: Run) -> str:
    runs = len(run.attempt.observations) if run.attempt else 0
    return (
        f"{run.summary}\n\nFailing commit: {run.commit}\nCommand: {run.project_command}\n"
        f"Proof: {runs} runs, red without and green with this patch; record {run.proof}\n"
    )
