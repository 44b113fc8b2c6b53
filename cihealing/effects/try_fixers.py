"""Ask the fixers, in their order, for a patch that was not tried yet."""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.commands import RecordPatch, SkipStep
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Failure, Objection
from cihealing.effects.shared.frames import failure_of
from cihealing.effects.shared.handler import EffectHandler
from cihealing.effects.shared.observing import project_of
from cihealing.ports import FixContext, Fixer, PatchRefused, PermanentError, Tools, Tree
from cihealing.secrecy import masked_in
from cihealing.tree import TooLarge

INHERITED = "inherited"
"""The proven patch of an older commit with the same failure: the first candidate."""


def try_fixers(
    effect: f.TryFixers, *, run: RunState, policy: Policy, tools: Tools
) -> RecordPatch | SkipStep:
    if run.inherited_patch and INHERITED not in run.patches.fixers:
        patch = tools.artifacts.patch(run.inherited_patch)
        why = "applies the patch that was proven for this failure on an older commit"
        if _applies(patch, run, policy, tools):
            return _found(INHERITED, why, patch, run, policy, tools)
    failure = failure_of(run, tools)
    fitting = [
        fixer
        for fixer in tools.fixers
        if fixer.name not in run.patches.fixers and fixer.fits(failure)
    ]
    for fixer in fitting:
        told, patch = _ask(fixer, failure, run, policy, tools)
        if told and patch:
            return _found(fixer.name, told, patch, run, policy, tools)
    tried = ", ".join(run.patches.fixers) or "none fits"
    return SkipStep(step="fixers", reason=f"no further fixer has a patch ({tried})")


HANDLER = EffectHandler(f.TryFixers, try_fixers)


def _applies(patch: str, run: RunState, policy: Policy, tools: Tools) -> bool:
    """What the branch has moved away from costs nothing but itself."""
    repository = policy.repository(run.failure.repository)
    try:
        with tools.trees.stored(
            run.failure.repository, run.head, policy=repository, patch=masked_in(patch)
        ):
            return True
    except PatchRefused:
        return False


def _ask(
    fixer: Fixer, failure: Failure, run: RunState, policy: Policy, tools: Tools
) -> tuple[str | None, str]:
    repository = policy.repository(run.failure.repository)
    with tools.trees.at(run.failure.repository, run.head, policy=repository) as tree:
        try:
            told = fixer.fix(_context(failure, run, tree, policy, tools))
        except TooLarge as error:
            raise PermanentError(f"the tree cannot be looked at: {error}") from error
        return told, tools.trees.diff(tree) if told else ""


def _context(
    failure: Failure, run: RunState, tree: Tree, policy: Policy, tools: Tools
) -> FixContext:
    sandbox = tools.sandbox(policy.repository(run.failure.repository))
    return FixContext(
        failure=failure,
        repository=run.failure.repository,
        commit=run.head,
        project=project_of(run, tools),
        tree=tree,
        sandbox=sandbox,
    )


def _found(
    fixer: str, told: str, patch: str, run: RunState, policy: Policy, tools: Tools
) -> RecordPatch:
    patch = masked_in(
        patch
    )  # what is stored is what the guard sees: it refuses the marker of a masked value
    stored = tools.artifacts.put(patch.encode("utf-8", "surrogateescape"), kind="patch")
    objections = tools.guard(
        patch, policy=policy, repository=policy.repository(run.failure.repository)
    )
    if stored in tools.history.refused_patches(run.failure.repository, run.failure.error_hash):
        objections = [
            *objections,
            Objection(
                rule="refused-before",
                text="a person refused this patch for this failure",
                hard=True,
            ),
        ]
    return RecordPatch(fixer=fixer, told=told, patch=stored, objections=tuple(objections))
