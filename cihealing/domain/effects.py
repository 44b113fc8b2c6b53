"""Work an event calls for, as data: one outbox row each. `not_before` makes one a timer."""

from __future__ import annotations

import msgspec

from cihealing.domain.values import Digest, Purpose, Time


class Effect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="effect"):
    """Base of every effect."""

    not_before: Time | None = None


# queued or running


class Classify(Effect, frozen=True, kw_only=True, tag="classify"):
    """Choose the playbook for what the log said."""


class FindProject(Effect, frozen=True, kw_only=True, tag="find_project"):
    """Say which command stands for the job that failed."""


class RunCommand(Effect, frozen=True, kw_only=True, tag="run_command"):
    """Run the project's command once in the sandbox."""

    purpose: Purpose
    commit: str
    index: int = 0
    attempt: int = 0
    patch: Digest = ""


class FindBlame(Effect, frozen=True, kw_only=True, tag="find_blame"):
    """Run the command on the base."""


class AskRerun(Effect, frozen=True, kw_only=True, tag="ask_rerun"):
    number: int


class CollectRerun(Effect, frozen=True, kw_only=True, tag="collect_rerun"):
    number: int
    handle: str


class TryFixers(Effect, frozen=True, kw_only=True, tag="try_fixers"):
    """Ask the fixers not yet asked for a patch not yet tried."""


class AskModel(Effect, frozen=True, kw_only=True, tag="ask_model"):
    """Ask a model for the patch of attempt `number`."""

    number: int


class JudgeProof(Effect, frozen=True, kw_only=True, tag="judge_proof"):
    attempt: int


class WriteReport(Effect, frozen=True, kw_only=True, tag="write_report"):
    """The incident report of an escalated run, with an owner."""


class Explain(Effect, frozen=True, kw_only=True, tag="explain"):
    """Ask a model what it believes of an escalated failure, before the report is written."""


class Say(Effect, frozen=True, kw_only=True, tag="say"):
    """Tell the diagnosis at the forge: one check or one comment."""


class WatchChange(Effect, frozen=True, kw_only=True, tag="watch_change"):
    """Look at the open change until it is merged or closed."""

    url: str


class CloseChange(Effect, frozen=True, kw_only=True, tag="close_change"):
    url: str
    reason: str


class CheckHumanFix(Effect, frozen=True, kw_only=True, tag="check_human_fix"):
    """Whether what a person did heals the failing commit in the sandbox too."""

    commit: str


class Tell(Effect, frozen=True, kw_only=True, tag="tell"):
    """Tell people, or bring what they were told up to date. Never touches the run."""

    kind: str
    """One of `policy.chat.tell`'s words."""
    only_update: bool = False


class Publish(Effect, frozen=True, kw_only=True, tag="publish"):
    act: str
    patch: Digest
    head: str
    target: str


class ReleaseFollowers(Effect, frozen=True, kw_only=True, tag="release_followers"):
    """Let the runs that are attached to this one go the way it went."""


class DeadlineTimer(Effect, frozen=True, kw_only=True, tag="deadline_timer"):
    """`max_total_duration` may be over."""


class ReviewTimer(Effect, frozen=True, kw_only=True, tag="review_timer"):
    version: int


class RerunTimer(Effect, frozen=True, kw_only=True, tag="rerun_timer"):
    number: int


class TellBudget(Effect, frozen=True, kw_only=True, tag="tell_budget"):
    """A budget is used up: people are told once."""

    scope: str
    key: str
    day: str
    limit_usd: float


class ReadFailure(Effect, frozen=True, kw_only=True, tag="read_failure"):
    """Fetch and read the log of one result of the delivery."""

    position: int


class ExpandResult(Effect, frozen=True, kw_only=True, tag="expand_result"):
    """Fan a coarse result out into its jobs."""

    position: int


HealingEffect = (
    Classify
    | FindProject
    | RunCommand
    | FindBlame
    | AskRerun
    | CollectRerun
    | TryFixers
    | AskModel
    | JudgeProof
)
LaterEffect = (
    Explain
    | WriteReport
    | Publish
    | ReleaseFollowers
    | Say
    | WatchChange
    | CloseChange
    | CheckHumanFix
    | Tell
)
Timer = DeadlineTimer | ReviewTimer | RerunTimer
RunEffect = HealingEffect | LaterEffect | Timer
DeliveryEffect = ReadFailure | ExpandResult
LoneEffect = TellBudget
AnyEffect = RunEffect | DeliveryEffect | LoneEffect

QUIET = ("tell", "tell_budget", "say", "close_change", "check_human_fix")
"""What goes wrong with these is logged and changes nothing about a run."""

IRREVOCABLE = ("publish", "ask_rerun")
"""Once claimed, these cannot be taken back: an abort is refused meanwhile."""

HEALING = (
    "classify",
    "find_project",
    "run_command",
    "find_blame",
    "ask_rerun",
    "collect_rerun",
    "try_fixers",
    "ask_model",
    "judge_proof",
)


def name_of(effect: Effect) -> str:
    return str(effect.__struct_config__.tag)
