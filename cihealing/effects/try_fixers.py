"""Ask the fixers, in their order, for a patch that was not tried yet.

Where a patch left something red (a command may call several tools, one after another), they are
asked first what they have for that, on top of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cihealing.domain import effects as f
from cihealing.domain.commands import RecordPatch, SkipStep
from cihealing.domain.policy import Policy, RepositoryPolicy
from cihealing.domain.run import Candidate, RunState
from cihealing.domain.values import Colour, Failure, Objection, Observation, Purpose
from cihealing.effects.shared.frames import denied_by, failure_of
from cihealing.effects.shared.handler import EffectHandler
from cihealing.effects.shared.observing import project_of
from cihealing.guard import change, same_program
from cihealing.ports import (
    CouldNotRun,
    FixContext,
    Fixer,
    PatchRefused,
    PermanentError,
    Tools,
    Tree,
)
from cihealing.secrecy import known, masked_in
from cihealing.tree import TooLarge

INHERITED = "inherited"
"""The proven patch of an older commit with the same failure: the first candidate."""
LONGEST_CHAIN = 6
"""Fixers whose changes one patch may hold."""
MAX_TEXT = 500_000


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What every fixer of a run is asked with."""

    run: RunState
    policy: Policy
    tools: Tools

    @property
    def rules(self) -> RepositoryPolicy:
        return self.policy.repository(self.run.failure.repository)


@dataclass(frozen=True, kw_only=True)
class FixerFind:
    """A fixer's patch against the commit, and in which of its files only the layout changes."""

    told: str
    patch: str
    reformatted: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    """Scripts that were red for want of the executable bit."""


def try_fixers(
    effect: f.TryFixers, *, run: RunState, policy: Policy, tools: Tools
) -> RecordPatch | SkipStep:
    bench = Bench(run=run, policy=policy, tools=tools)
    if run.inherited_patch and INHERITED not in run.patches.fixers:
        told = "applies the patch that was proven for this failure on an older commit"
        patch = tools.artifacts.patch(run.inherited_patch)
        if _applies(patch, bench):
            return _recorded(INHERITED, FixerFind(told=told, patch=patch), bench)
    broken: list[str] = []
    if (unfinished := _unfinished(run)) and (left := _failure_in(unfinished[1], tools)):
        further = _asked(left, bench, base=unfinished[0], broken=broken)
        if further is not None:
            return further
    return _asked(failure_of(run, tools), bench, broken=broken) or _none_left(run, broken)


HANDLER = EffectHandler(f.TryFixers, try_fixers)


def _applies(patch: str, bench: Bench) -> bool:
    """What the branch has moved away from costs nothing but itself."""
    trees, repository, head = bench.tools.trees, bench.run.failure.repository, bench.run.head
    try:
        with trees.stored(repository, head, policy=bench.rules, patch=masked_in(patch)):
            return True
    except PatchRefused:
        return False


def _none_left(run: RunState, broken: Sequence[str]) -> SkipStep:
    tried = "; ".join(run.patches.fixers)
    reasons = "; ".join([*([tried] if tried else []), *dict.fromkeys(broken)]) or "none fits"
    return SkipStep(step="fixers", reason=f"no further fixer has a patch ({reasons})")


def _unfinished(run: RunState) -> tuple[Candidate, Observation] | None:
    """The fixer's patch that was tried last, and what was red with it; None where nothing was, or
    enough was put together.
    """
    last = next((s for s in reversed(run.local.observations) if s.purpose is Purpose.SCREEN), None)
    by_models = {a.patch for a in run.attempts if a.diagnoser not in run.patches.fixers}
    found = [patch for patch in run.patches.tried if patch not in by_models]
    fixers = dict(zip(found, run.patches.fixers, strict=False))
    if last is None or last.seen.colour is not Colour.RED or not last.seen.log:
        return None
    fixer = fixers.get(last.patch, "")
    if not fixer or len(fixer.split(", ")) >= LONGEST_CHAIN:
        return None
    told = f"On top of the patch of {fixer}"
    return Candidate(fixer=fixer, told=told, patch=last.patch), last.seen


def _failure_in(seen: Observation, tools: Tools) -> Failure | None:
    # Late: the parsers are loaded by whoever reads a log, not by whoever names this module.
    from cihealing.reading import read

    return read(tools.artifacts.text(seen.log), known_secrets=known()).failure


def _asked(
    failure: Failure, bench: Bench, *, broken: list[str], base: Candidate | None = None
) -> RecordPatch | None:
    """The first new patch; what could not run is added to `broken`."""
    for fixer in bench.tools.fixers:
        name = f"{base.fixer}, {fixer.name}" if base else fixer.name
        if name in bench.run.patches.fixers or not fixer.fits(failure):
            continue
        try:
            found = _fixed(fixer, failure, bench, base=base)
        except CouldNotRun as error:
            broken.append(f"{fixer.name} could not run: {error}")
            continue
        if found is not None:
            return _recorded(name, found, bench)
    return None


def _fixed(
    fixer: Fixer, failure: Failure, bench: Bench, *, base: Candidate | None
) -> FixerFind | None:
    trees, repository, head = bench.tools.trees, bench.run.failure.repository, bench.run.head
    patch = bench.tools.artifacts.patch(base.patch) if base else ""
    with trees.at(repository, head, policy=bench.rules, patch=patch) as tree:
        try:
            told = fixer.fix(_context(failure, tree, bench))
        except TooLarge as error:
            raise PermanentError(f"the tree cannot be looked at: {error}") from error
        more = trees.diff(tree) if told else ""
        if not told or not more:
            return None
        whole = _whole(patch, more, tree, bench) if patch else more
        same = tuple(path for path in _paths(whole) if _same_program(path, tree, bench))
    told = f"{base.told}: {told}" if base else told
    denied = denied_by(
        failure_of(bench.run, bench.tools), failure, workdir=project_of(bench.run, bench.tools).path
    )
    return FixerFind(told=told, patch=whole, reformatted=same, denied=denied)


def _whole(first: str, second: str, tree: Tree, bench: Bench) -> str:
    """Both patches as one against the commit."""
    trees, repository, head = bench.tools.trees, bench.run.failure.repository, bench.run.head
    with trees.at(repository, head, policy=bench.rules) as plain:
        for path in dict.fromkeys([*_paths(first), *_paths(second)]):
            entry, content = tree.entry(path), tree.read(path)
            if entry is None or content is None:
                plain.remove(path)
            else:
                plain.write(path, content, mode=entry.status.st_mode & 0o777)
        return trees.diff(plain)


def _paths(patch: str) -> list[str]:
    """What the guard refuses as unreadable has none."""
    try:
        return [path for file in change.parse(patch) for path in file.paths]
    except change.Unreadable:
        return []


def _same_program(path: str, tree: Tree, bench: Bench) -> bool:
    before = bench.tools.trees.read_file(
        bench.run.failure.repository, bench.run.head, path, policy=bench.rules
    )
    after = tree.text(path, limit=MAX_TEXT)
    return before is not None and after is not None and same_program(path, before, after)


def _context(failure: Failure, tree: Tree, bench: Bench) -> FixContext:
    return FixContext(
        failure=failure,
        repository=bench.run.failure.repository,
        commit=bench.run.head,
        project=project_of(bench.run, bench.tools),
        tree=tree,
        sandbox=bench.tools.sandbox(bench.rules),
    )


def _recorded(fixer: str, found: FixerFind, bench: Bench) -> RecordPatch:
    tools, failure = bench.tools, bench.run.failure
    # What is stored is what the guard sees: it refuses the marker of a masked value.
    patch = masked_in(found.patch)
    stored = tools.artifacts.put(patch.encode("utf-8", "surrogateescape"), kind="patch")
    objections = tools.guard(
        patch,
        policy=bench.policy,
        repository=bench.rules,
        reformatted=found.reformatted,
        denied=found.denied,
    )
    if stored in tools.history.refused_patches(failure.repository, failure.error_hash):
        objections = [
            *objections,
            Objection(
                rule="refused-before",
                text="a person refused this patch for this failure",
                hard=True,
            ),
        ]
    return RecordPatch(fixer=fixer, told=found.told, patch=stored, objections=tuple(objections))
