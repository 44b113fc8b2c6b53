"""Run the command on the base: red there for the same reason, the change is not to blame."""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.commands import RecordBlame
from cihealing.domain.policy import Policy, RepositoryPolicy
from cihealing.domain.run import RunState
from cihealing.domain.values import Colour
from cihealing.effects.shared.frames import suspects
from cihealing.effects.shared.handler import EffectHandler
from cihealing.effects.shared.observing import observe
from cihealing.ports import PermanentError, Tools


def find_blame(effect: f.FindBlame, *, run: RunState, policy: Policy, tools: Tools) -> RecordBlame:
    repository = policy.repository(run.failure.repository)
    forge = tools.forges.get(repository.forge)
    usual = forge.usual_base if forge else ""
    target = run.failure.base_branch or repository.target_branch or usual or run.failure.branch
    owner = tools.trees.owner(
        run.failure.repository, run.failure.commit, suspects(run, tools), policy=repository
    )
    base, which = _base(run, target, repository, tools)
    if base is None or base == run.failure.commit:
        return RecordBlame(
            seen=None, reason=f"there is no {which} to compare with", target=target, owner=owner
        )
    try:
        seen = observe(run, base, policy=policy, tools=tools)
    except PermanentError as error:
        return RecordBlame(
            seen=None,
            reason=f"the {which} {base[:12]} could not be run: {error}",
            target=target,
            owner=owner,
        )
    head = (
        tools.trees.head(run.failure.repository, target, policy=repository)
        if seen.colour is Colour.RED
        else None
    )
    return RecordBlame(
        seen=seen,
        reason=f"the {which} {base[:12]} is {seen.colour}",
        target=target,
        head=head or "",
        owner=owner,
    )


HANDLER = EffectHandler(f.FindBlame, find_blame)


def _base(
    run: RunState, target: str, repository: RepositoryPolicy, tools: Tools
) -> tuple[str | None, str]:
    """(commit, what it is): the merge base; on the target branch itself the last commit green in
    this job, else the first parent.
    """
    if run.failure.branch != target:
        return tools.trees.merge_base(
            run.failure.repository, run.failure.commit, target, policy=repository
        ), f"merge base with {target}"
    green = (
        tools.history.last_green(
            run.failure.repository,
            run.failure.job,
            run.failure.branch,
            before=run.failure.failed_at,
            definition=run.failure.definition,
        )
        if run.failure.failed_at
        else None
    )
    if green:
        return green.commit, "last commit green in this job"
    return tools.trees.first_parent(
        run.failure.repository, run.failure.commit, policy=repository
    ), "first parent"
