"""Tell people of a run, in every chat that is set up: one message a run, changed as the run goes
on. Best effort.
"""

from __future__ import annotations

import msgspec

from cihealing import service
from cihealing.domain import effects as f
from cihealing.domain.policy import Policy
from cihealing.domain.run import Run
from cihealing.domain.values import Failure
from cihealing.effects.publish import page_of
from cihealing.ports import Message, Tools
from cihealing.secrecy import masked_in
from cihealing.wording import telling


def tell(effect: f.Tell, *, run: Run, policy: Policy, tools: Tools) -> None:
    """What cannot be changed (an incoming webhook's message) is not posted again for a mere
    update.
    """
    settings = {
        **tools.settings,
        **({"CI_HEALING_SLACK_CHANNEL": policy.chat.channel} if policy.chat.channel else {}),
    }
    for chat in tools.chats:
        posted = service.handle_of(run.id, chat.name)
        if not chat.configured(settings=settings) or (effect.only_update and not posted):
            continue
        message = telling.message_of(
            run, url=page_of(run, tools), failure=_failure(run, tools), count=_count(run, tools)
        )
        handle = chat.tell(masked_in(message), handle=posted or "", settings=settings)
        service.record_message(run.id, chat=chat.name, kind=effect.kind, handle=handle)


def _failure(run: Run, tools: Tools) -> Failure | None:
    try:
        return msgspec.json.decode(tools.artifacts.text(run.failure), type=Failure)
    except KeyError:
        return None


def _count(run: Run, tools: Tools) -> int:
    return tools.history.affected(run.id).cluster + 1 if run.leads_cluster else 1


def tell_budget(effect: f.TellBudget, *, run: Run, policy: Policy, tools: Tools) -> None:
    whose = f"of {effect.key} " if effect.key else ""
    message = Message(
        run_id=str(run.id),
        title=f"The budget {whose}for {effect.day} is used up: no model is asked any more today",
        fields=(("Limit", f"{effect.limit_usd:.2f} USD"), ("Scope", effect.scope)),
        tone="bad",
        link=tools.settings.get("CI_HEALING_URL", ""),
        text=(
            "Fixers, reruns and proofs go on. Raise the budget in policy under `ai`, or"
            " CI_HEALING_DAILY_COST_LIMIT_USD."
        ),
    )
    for chat in tools.chats:
        if (
            chat.configured(settings=tools.settings)
            and service.handle_of(run.id, chat.name) is None
        ):
            handle = chat.tell(masked_in(message), handle="", settings=tools.settings)
            service.record_message(run.id, chat=chat.name, kind="budget", handle=handle)
