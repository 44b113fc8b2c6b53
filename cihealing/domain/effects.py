"""Work an event calls for, as data: one outbox row each. `not_before` makes one a timer.

What an effect is stands on its class: what follows when it goes wrong, when its run stops or ends,
and whether the run still wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

import msgspec

from cihealing.domain import commands as c
from cihealing.domain.run import RunState
from cihealing.domain.values import Digest, Purpose, RunStatus, Time

HEALED_IN = (RunStatus.QUEUED, RunStatus.RUNNING)


class Effect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="effect"):
    """Base of every effect; its tag is the name of its rows and of the file that carries it out."""

    quiet: ClassVar[bool] = False
    """What goes wrong with it is logged and changes nothing about a run."""
    irrevocable: ClassVar[bool] = False
    """Once claimed it cannot be taken back: an abort is refused meanwhile."""
    outliving: ClassVar[bool] = False
    """It is not dropped when its run ends: it ends others, or brought that end about itself."""
    healing: ClassVar[bool] = False
    """It heals the run further: dropped, and not wanted, where the run is not running."""
    one_at_a_time: ClassVar[bool] = False
    """It waits for an older one of its run, which leaves behind what this one needs."""
    unending: ClassVar[bool] = False
    """Where it would be given up it is tried again later: another timer ends the waiting."""

    not_before: Time | None = None

    @classmethod
    def name(cls) -> str:
        return str(cls.__struct_config__.tag)


class RunEffect(Effect, frozen=True, kw_only=True):
    """Belongs to a run."""

    def wanted(self, run: RunState) -> bool:
        """Whether the state still calls for it: an effect may outlive what it was for."""
        return not self.healing or run.status in HEALED_IN


class Timer(RunEffect, frozen=True, kw_only=True):
    """Nothing is carried out: its time comes, and the run is told."""

    def command(self) -> c.RunCommand:
        raise NotImplementedError


class DeliveryEffect(Effect, frozen=True, kw_only=True):
    """Belongs to one result of a delivery."""

    position: int


class LoneEffect(Effect, frozen=True, kw_only=True):
    """Belongs to no run and no delivery."""


class Classify(RunEffect, frozen=True, kw_only=True, tag="classify"):
    """Choose the playbook for what the log said."""

    healing = True


class FindProject(RunEffect, frozen=True, kw_only=True, tag="find_project"):
    """Say which command stands for the job that failed."""

    healing = True


class RunCommand(RunEffect, frozen=True, kw_only=True, tag="run_command"):
    """Run the project's command once in the sandbox."""

    healing = True
    purpose: Purpose
    commit: str
    index: int = 0
    attempt: int = 0
    patch: Digest = ""


class FindBlame(RunEffect, frozen=True, kw_only=True, tag="find_blame"):
    """Run the command on the base."""

    healing = True


class AskRerun(RunEffect, frozen=True, kw_only=True, tag="ask_rerun"):
    healing = True
    irrevocable = True
    number: int


class CollectRerun(RunEffect, frozen=True, kw_only=True, tag="collect_rerun"):
    healing = True
    outliving = True
    number: int
    handle: str

    def wanted(self, run: RunState) -> bool:
        awaited = run.awaited_rerun
        return super().wanted(run) and awaited is not None and awaited.number == self.number


class TryFixers(RunEffect, frozen=True, kw_only=True, tag="try_fixers"):
    """Ask the fixers not yet asked for a patch not yet tried."""

    healing = True


class AskModel(RunEffect, frozen=True, kw_only=True, tag="ask_model"):
    """Ask a model for the patch of attempt `number`."""

    healing = True
    number: int


class JudgeProof(RunEffect, frozen=True, kw_only=True, tag="judge_proof"):
    healing = True
    attempt: int


class WriteReport(RunEffect, frozen=True, kw_only=True, tag="write_report"):
    """The incident report of an escalated run, with an owner."""

    def wanted(self, run: RunState) -> bool:
        return run.status is RunStatus.ESCALATED


class Explain(RunEffect, frozen=True, kw_only=True, tag="explain"):
    """Ask a model what it believes of an escalated failure, before the report is written."""

    def wanted(self, run: RunState) -> bool:
        return run.status is RunStatus.ESCALATED


class Say(RunEffect, frozen=True, kw_only=True, tag="say"):
    """Tell the diagnosis at the forge: one check or one comment."""

    quiet = True


class WatchChange(RunEffect, frozen=True, kw_only=True, tag="watch_change"):
    """Look at the open change until it is merged or closed."""

    unending = True
    url: str

    def wanted(self, run: RunState) -> bool:
        return run.status is RunStatus.FIXED and run.change.open and run.change.url == self.url


class CloseChange(RunEffect, frozen=True, kw_only=True, tag="close_change"):
    quiet = True
    outliving = True
    url: str
    reason: str


class CheckHumanFix(RunEffect, frozen=True, kw_only=True, tag="check_human_fix"):
    """Whether what a person did heals the failing commit in the sandbox too."""

    quiet = True
    outliving = True
    commit: str


class Tell(RunEffect, frozen=True, kw_only=True, tag="tell"):
    """Tell people, or bring what they were told up to date. Never touches the run."""

    quiet = True
    outliving = True
    one_at_a_time = True
    kind: str
    """One of `policy.chat.tell`'s words."""
    only_update: bool = False


class Publish(RunEffect, frozen=True, kw_only=True, tag="publish"):
    irrevocable = True
    act: str
    patch: Digest
    head: str
    target: str

    def wanted(self, run: RunState) -> bool:
        return run.status is RunStatus.FIXED and run.review.approved_by is not None


class ReleaseFollowers(RunEffect, frozen=True, kw_only=True, tag="release_followers"):
    """Let the runs that are attached to this one go the way it went."""

    outliving = True


class DeadlineTimer(Timer, frozen=True, kw_only=True, tag="deadline_timer"):
    """`max_total_duration` may be over."""

    def command(self) -> c.PassDeadline:
        return c.PassDeadline(promised=self.not_before)


class ReviewTimer(Timer, frozen=True, kw_only=True, tag="review_timer"):
    version: int

    def command(self) -> c.ExpireReview:
        return c.ExpireReview(version=self.version)


class RerunTimer(Timer, frozen=True, kw_only=True, tag="rerun_timer"):
    number: int

    def command(self) -> c.LoseRerun:
        return c.LoseRerun(number=self.number)


class TellBudget(LoneEffect, frozen=True, kw_only=True, tag="tell_budget"):
    """A budget is used up: people are told once."""

    quiet = True
    scope: str
    key: str
    day: str
    limit_usd: float


class ReadFailure(DeliveryEffect, frozen=True, kw_only=True, tag="read_failure"):
    """Fetch and read the log of one result of the delivery."""


class ExpandResult(DeliveryEffect, frozen=True, kw_only=True, tag="expand_result"):
    """Fan a coarse result out into its jobs."""


def _kinds(base: type[Effect]) -> Iterator[type[Effect]]:
    below = base.__subclasses__()
    if not below:
        yield base
    for kind in below:
        yield from _kinds(kind)


KINDS: Mapping[str, type[Effect]] = {kind.name(): kind for kind in _kinds(Effect)}
"""Every effect by its name, found by being there."""


def names(fact: Callable[[type[Effect]], bool]) -> tuple[str, ...]:
    """Of the effects for which `fact` holds: `names(lambda kind: kind.quiet)`."""
    return tuple(name for name, kind in KINDS.items() if fact(kind))
