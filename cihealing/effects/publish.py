"""Bring a proven and approved patch to the forge: once, whatever crashes where."""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.commands import RecordHeadMoved, RecordPublished, RecordPublishFailed
from cihealing.domain.policy import Policy, RepositoryPolicy
from cihealing.domain.run import RunState
from cihealing.effects.shared.frames import failure_of
from cihealing.effects.shared.handler import EffectHandler
from cihealing.failpoints import failpoint
from cihealing.guard.change import Unreadable, parse
from cihealing.ports import (
    Changes,
    FileEdit,
    Forge,
    HeadMovedError,
    PermanentError,
    Proposal,
    Published,
    Site,
    Stored,
    Tools,
)
from cihealing.secrecy import masked_in
from cihealing.tree import shown
from cihealing.wording import changes as wording

PLAIN = ("100644", "100755")


def publish(
    effect: f.Publish, *, run: RunState, policy: Policy, tools: Tools
) -> RecordPublished | RecordPublishFailed | RecordHeadMoved:
    failpoint("publish.before_merge")
    try:
        done = _publish(effect, run, policy, tools)
    except HeadMovedError as moved:
        # Of an open change its own branch moved: what was proven is not what is there, and a person
        # must look.
        if effect.act == "merge" and run.change.open:
            return RecordPublishFailed(reason=str(moved))
        return RecordHeadMoved(expected=effect.head, found=moved.found or "")
    except PermanentError as error:
        return RecordPublishFailed(reason=str(error))
    failpoint("publish.after_merge")
    return RecordPublished(url=done.url, commit=done.commit, merged=done.merged)


HANDLER = EffectHandler(f.Publish, publish)


def _publish(effect: f.Publish, run: RunState, policy: Policy, tools: Tools) -> Published:
    forge, site = forge_of(run, policy, tools), site_of(run, policy, tools)
    changes = forge.changes(site) if forge.changes else None
    if changes and run.failure.fork:
        raise PermanentError("the failing code comes from a fork: forks get a diagnosis only")
    if changes and effect.act == "merge":
        return changes.merge(run.change.url, sha=run.change.commit)
    proposal = proposal_of(run, policy=policy, tools=tools)
    if changes and changes.opted_out(run.failure.commit):
        raise PermanentError("the change of the developers is labelled cihealing:off")
    return forge.publishing(site).publish(proposal)


def forge_of(run: RunState, policy: Policy, tools: Tools) -> Forge:
    """Raises PermanentError where policy names none that there is."""
    name = policy.repository(run.failure.repository).forge
    forge = tools.forges.get(name)
    if forge is None:
        raise PermanentError(
            f"there is no forge {name}: policy names one of {', '.join(sorted(tools.forges))}"
        )
    return forge


def site_of(run: RunState, policy: Policy, tools: Tools) -> Site:
    return Site(
        repository=run.failure.repository,
        policy=policy.repository(run.failure.repository),
        url=tools.url,
    )


def changes_of(run: RunState, policy: Policy, tools: Tools) -> Changes:
    """Raises PermanentError where no change can be open."""
    forge = forge_of(run, policy, tools)
    if forge.changes is None:
        raise PermanentError("this forge has no open changes: publishing merges at once")
    return forge.changes(site_of(run, policy, tools))


def proposal_of(run: RunState, *, policy: Policy, tools: Tools) -> Proposal:
    """The proven patch as the forge takes it. Raises PermanentError, TransientError."""
    repository, patch = (
        policy.repository(run.failure.repository),
        tools.artifacts.patch(run.review.patch),
    )
    body = wording.body(run, failure_of(run, tools), url=page_of(run, tools))
    return Proposal(
        run_id=change_id(run),
        repository=run.failure.repository,
        branch=run.change.target,
        head=run.head,
        patch=patch,
        files=edits(run, patch, repository, tools),
        title=masked_in(wording.title(run)),
        message=masked_in(wording.message(run)),
        body=masked_in(body),
        trailers=masked_in(wording.trailers(run)),
        draft=repository.draft,
        actor=run.review.approved_by.name if run.review.approved_by else "",
    )


def change_id(run: RunState) -> str:
    """The run's id; a later change of the same run (its first one's CI was red) has a branch of its
    own.
    """
    nth = run.change.opened if run.change.open else run.change.opened + 1
    return str(run.id) if nth <= 1 else f"{run.id}-{nth}"


def edits(
    run: RunState, patch: str, repository: RepositoryPolicy, tools: Tools
) -> tuple[FileEdit, ...]:
    """Every file the patch touches as it leaves it, as git stores it."""
    rules, where = repository, (run.failure.repository, run.head)
    with tools.trees.stored(*where, policy=rules, patch=patch) as stored:
        return tuple(_edit(stored, path) for path in touched(patch))


def touched(patch: str) -> list[str]:
    """Raises PermanentError."""
    try:
        return list(dict.fromkeys(path for file in parse(patch) for path in file.paths))
    except Unreadable as error:
        raise PermanentError(f"the patch cannot be read: {error}") from None


def _edit(stored: Stored, path: str) -> FileEdit:
    mode = stored.modes.get(path)
    if mode is None:
        return FileEdit(path=path, content=None)
    content = stored.read(path) if mode in PLAIN else None
    if content is None:
        raise PermanentError(
            f"{shown(path)[:200]} is no plain file of the repository, or larger than 32 MB"
        )
    return FileEdit(path=path, content=content, mode=mode)


def page_of(run: RunState, tools: Tools) -> str:
    """The run's page, where the service knows its own address; else empty."""
    return f"{tools.url}/runs/{run.id}" if tools.url else ""
