"""Commands to runs: load, decide, append, project, enqueue, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from django.db import transaction

from cihealing import store
from cihealing.domain import commands as c
from cihealing.domain import events as e
from cihealing.domain.decide import decide
from cihealing.domain.evolve import evolve, fold
from cihealing.domain.policy import Policy, RepositoryPolicy
from cihealing.domain.react import react
from cihealing.domain.run import Refused, RunState
from cihealing.domain.values import SERVICE, Actor, RunStatus
from cihealing.failpoints import failpoint
from cihealing.models import BaseClaim, Outbox
from cihealing.models import Run as RunRow
from cihealing.ports import HeadMovedError, Site, Tools
from cihealing.secrecy import masked, masked_in
from cihealing.service import outbox, policies
from cihealing.service.transactions import write
from cihealing.service.writing import Writing
from cihealing.store import projections


class NoSuchRun(Exception):
    """There is no run with this id."""


class NotAllowed(Refused):
    """The forge does not let this person do it themself."""

    type = "not-allowed"


class Irrevocable(Refused):
    """What cannot be taken back is on its way."""

    type = "irrevocable"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Who or what a command comes from; kept on every fact it makes."""

    actor: Actor = SERVICE
    source: str


def get(run_id: UUID) -> RunState:
    """The run as its events say. Raises NoSuchRun."""
    run = fold(run_id, store.load(run_id))
    if not run.exists:
        raise NoSuchRun(str(run_id))
    return run


def handle(
    run_id: UUID,
    command: c.RunCommand,
    *,
    cause: Cause,
    now: datetime | None = None,
    effect: Outbox | None = None,
) -> RunState:
    """Carry out one command; with `effect`, close its row in the same transaction.

    Raises Refused, Stale, outbox.Fenced, StreamMoved (after many lost races).
    """
    run = write(
        lambda: handle_inside(
            run_id, command, cause=cause, now=now or datetime.now(UTC), effect=effect
        )
    )
    failpoint("handle.after_commit")
    return run


def handle_inside(
    run_id: UUID,
    command: c.RunCommand,
    *,
    cause: Cause,
    now: datetime,
    effect: Outbox | None = None,
) -> RunState:
    """`handle` within the caller's transaction."""
    before = fold(run_id, store.load(run_id))
    policy = policies.of(before)
    command = _masked(_with_cluster(before, _with_leader(before, command), policy, now))
    _refuse_irrevocable(run_id, command)
    if effect is not None:
        outbox.finish(effect)
    events = decide(before, command, policy=policy, now=now)
    failpoint("handle.before_append")
    after = _write(before, events, policy, cause, now, but=effect.id if effect else None)
    failpoint("handle.before_commit")
    return after


def begin_inside(run_id: UUID, command: c.QueueRun, *, cause: Cause, writing: Writing) -> RunState:
    """`handle_inside` for a run that is known not to exist: what it writes is gathered."""
    before, policy = RunState(id=run_id), policies.current()
    events = decide(before, command, policy=policy, now=writing.now)
    envelopes = writing.begin(run_id, _envelopes(run_id, events, cause, writing.now))
    after = before
    for envelope in envelopes:
        after = evolve(after, envelope)
    writing.show(after, max_attempts=policy.max_attempts)
    called = react(after, events, policy=policy, now=writing.now)
    writing.call(run_id, list(called), run_id=run_id)
    return after


def _envelopes(
    run_id: UUID, events: Sequence[e.RunEvent], cause: Cause, now: datetime
) -> list[e.Envelope]:
    return [
        e.Envelope(event=event, at=now, actor=cause.actor, source=cause.source, run_id=run_id)
        for event in events
    ]


def _write(
    before: RunState,
    events: Sequence[e.RunEvent],
    policy: Policy,
    cause: Cause,
    now: datetime,
    *,
    but: UUID | None,
) -> RunState:
    if not events:
        return before
    envelopes = _envelopes(before.id, events, cause, now)
    store.append(before.id, envelopes, expected_version=before.version)
    failpoint("handle.after_append")
    after = before
    for envelope in envelopes:
        after = evolve(after, envelope)
    projections.project_run(
        after, max_attempts=projections.pinned_policy(after.policy).max_attempts
    )
    _drop_what_is_over(before, after, but)
    outbox.enqueue(after.id, react(after, events, policy=policy, now=now), run_id=after.id, now=now)
    return after


def _drop_what_is_over(before: RunState, after: RunState, but: UUID | None) -> None:
    if after.status.ended and not before.status.ended:
        outbox.drop_all(after.id, but=but)
    elif before.status is RunStatus.RUNNING and after.status is not RunStatus.RUNNING:
        outbox.drop_healing(after.id, but=but)


def _with_leader(run: RunState, command: c.RunCommand) -> c.RunCommand:
    """Who stands for the failure of the base already, and where that run is, is known only here,
    inside the transaction.
    """
    if isinstance(command, c.FollowLeader):
        # Read after our own stream: the leader is then seen as it was when we attached, or later.
        return msgspec.structs.replace(command, status=_status(command.leader))
    if not isinstance(command, c.RecordBlame):
        return command
    claims = BaseClaim.objects.filter(
        repository=run.failure.repository, branch=command.target, error_hash=run.failure.error_hash
    )
    # Locked: a leader that ends, escalates or is retried writes this row, so it does so before we
    # look or after we are attached.
    leader = claims.select_for_update().values_list("run_id", flat=True).first()
    return msgspec.structs.replace(command, leader=leader, leader_status=_status(leader))


def _status(run_id: UUID | None) -> RunStatus | None:
    found = (
        RunRow.objects.filter(id=run_id).values_list("status", flat=True).first()
        if run_id
        else None
    )
    return RunStatus(found) if found else None


def _with_cluster(
    run: RunState, command: c.RunCommand, policy: Policy, now: datetime
) -> c.RunCommand:
    """Likewise who stands for a failure of the machines; who did so for long enough is relieved."""
    if not isinstance(command, c.RecordClass) or not run.failure.strong:
        return command
    claim = projections.cluster(run.failure.error_hash)
    if claim and claim[1] < now - timedelta(hours=policy.cluster_hours):
        handle_inside(claim[0], c.CloseCluster(), cause=Cause(source="cluster"), now=now)
        claim = None
    return msgspec.structs.replace(command, leader=claim[0] if claim else None)


def _masked(command: c.RunCommand) -> c.RunCommand:
    """What a person notes and what an error message quotes is free text; in everything else the
    secrets that are known are looked for.
    """
    free = {
        name: masked(text)
        for name in ("note", "reason")
        if isinstance(text := getattr(command, name, None), str) and text
    }
    return masked_in(msgspec.structs.replace(command, **free) if free else command)


def _refuse_irrevocable(run_id: UUID, command: c.RunCommand) -> None:
    if isinstance(command, c.Abort) and (name := outbox.irrevocable(run_id)):
        raise Irrevocable(f"{name} is on its way and cannot be taken back; look again in a moment")


def perform(
    run_id: UUID,
    action: str,
    *,
    act: str = "",
    version: int | None = None,
    note: str = "",
    commit: str = "",
    by: Actor,
    tools: Tools,
) -> RunState:
    """What a person does to a run: `approve`, `deny`, `abort`, `retry` or `human-fix` (with the
    commit that did it, where it is known).

    Raises NoSuchRun, Refused, Stale, NotAllowed, Irrevocable, HeadMovedError (a fresh
    proof was begun, or the run ended with its branch).
    """
    cause = Cause(actor=by, source=f"person:{action}")
    if action == "approve":
        return _approve(run_id, act, version, note, by, cause, tools)
    get(run_id)
    command = _command(action, version=version, note=note, by=by, commit=commit)
    return handle(run_id, command, cause=cause)


def _approve(
    run_id: UUID, act: str, version: int | None, note: str, by: Actor, cause: Cause, tools: Tools
) -> RunState:
    command = c.Approve(act=act, version=version, by=by, note=note)
    run = get(run_id)
    decide(
        run, command, policy=policies.of(run), now=datetime.now(UTC)
    )  # refuses before the forge is asked
    repository = policies.of(run).repository(run.failure.repository)
    _require_permission(run, by, repository, tools)
    if not run.change.open:
        head = tools.trees.head(run.failure.repository, run.change.target, policy=repository)
        if head != run.head:
            handle(run.id, c.RecordHeadMoved(expected=run.head, found=head or ""), cause=cause)
            raise HeadMovedError(run.head, head)
    return handle(run_id, command, cause=cause)


def _require_permission(
    run: RunState, by: Actor, repository: RepositoryPolicy, tools: Tools
) -> None:
    """The person's own permission counts, not the bot's."""
    forge = tools.forges.get(repository.forge)
    if forge is None or forge.permissions is None:
        return
    login = repository.people.get(by.name, by.name)
    site = Site(repository=run.failure.repository, policy=repository, url=tools.url)
    if forge.permissions(site).may(login):
        return
    raise NotAllowed(
        f"{login} may not push to {run.failure.repository} at {repository.forge}; where the"
        " login there is another, say so under `people` in policy"
    )


def _command(
    action: str, *, version: int | None, note: str, by: Actor, commit: str
) -> c.PersonCommand:
    """What a person asks for, but approving, as a command. Raises Refused."""
    match action:
        case "deny":
            return c.Deny(by=by, version=version, note=note)
        case "abort":
            return c.Abort(by=by, version=version, note=note)
        case "retry":
            with transaction.atomic():
                policy = policies.pin(policies.current(), now=datetime.now(UTC))
            return c.Retry(by=by, policy=policy, version=version, note=note)
        case "human-fix":
            return c.FixByHand(by=by, version=version, note=note, commit=commit)
        case _:
            raise Refused(f"there is no action {action}")
