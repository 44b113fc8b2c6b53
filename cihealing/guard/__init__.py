"""Deterministic checks on a patch, before anything of it is run: a patch in, objections out. Pure.

The guard is a net, not the proof: what slips through it still has to turn the failing command green
without losing one test.
"""

from __future__ import annotations

from collections.abc import Collection

from cihealing.domain.policy import Policy, RepositoryPolicy
from cihealing.domain.values import Objection
from cihealing.guard import blocks, cheats, content, dangers, lines, paths, sources, testing
from cihealing.guard.change import Unreadable, parse
from cihealing.guard.layout import same_program
from cihealing.guard.objections import hard

__all__ = ["check", "same_program"]

MAX_OBJECTIONS = 50
LINE_RULES = (*cheats.RULES, *dangers.RULES)


def check(
    patch: str,
    *,
    policy: Policy,
    repository: RepositoryPolicy | None = None,
    reformatted: Collection[str] = (),
    denied: Collection[str] = (),
) -> list[Objection]:
    """Everything that speaks against a unified diff, hard objections first; empty where nothing
    does. Never raises.

    `repository`: its entry in policy, which only ever tightens. `reformatted`: paths in which the
    patch changes nothing but layout (`same_program`). `denied`: scripts that are red for want of
    the executable bit.
    """
    if repository is None:
        return _found(patch, policy, reformatted, denied)
    tighter = policy.model_copy(
        update={"protected_paths": (*policy.protected_paths, *repository.protected_paths)}
    )
    found = _found(patch, tighter, reformatted, denied)
    return [hard(o.rule, o.text) for o in found] if repository.soft_is_hard else found


def _found(
    patch: str, policy: Policy, reformatted: Collection[str], denied: Collection[str]
) -> list[Objection]:
    try:
        files = parse(patch)
    except Unreadable as error:
        return [hard("unreadable", f"the patch is not a plain git diff: {error}")]
    found = [
        *paths.check(files, policy=policy, denied=denied),
        *content.check(files, policy=policy),
    ]
    # What is over the caps is refused already; its lines are not worth the time they may be made to
    # take.
    if not any(o.rule == "too-many-lines" for o in found):
        found += [
            *testing.check(files, reformatted),
            *blocks.check(files),
            *sources.check(files),
            *lines.check(files, LINE_RULES),
        ]
    return sorted(dict.fromkeys(found), key=lambda o: not o.hard)[:MAX_OBJECTIONS]
