"""Tell people once that a budget is used up."""

from __future__ import annotations

from cihealing import service
from cihealing.domain import effects as f
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import Message, Tools
from cihealing.secrecy import masked_in


def tell_budget(effect: f.TellBudget, *, run: RunState, policy: Policy, tools: Tools) -> None:
    whose = f"of {effect.key} " if effect.key else ""
    message = Message(
        run_id=str(run.id),
        title=f"The budget {whose}for {effect.day} is used up: no model is asked any more today",
        fields=(("Limit", f"{effect.limit_usd:.2f} USD"), ("Scope", effect.scope)),
        tone="bad",
        link=tools.url,
        text=(
            "Fixers, reruns and proofs go on. Raise the budget in policy under `ai`, or"
            " CI_HEALING_DAILY_COST_LIMIT_USD."
        ),
    )
    for chat in tools.chats:
        if chat.configured() and service.handle_of(run.id, chat.name) is None:
            handle = chat.tell(masked_in(message), handle="")
            service.record_message(run.id, chat=chat.name, kind="budget", handle=handle)


HANDLER = EffectHandler(f.TellBudget, tell_budget)
