"""Tell people of a run, in every chat that is set up: one message a run, changed as the run goes
on. Best effort.
"""

from __future__ import annotations

import msgspec

from cihealing import service
from cihealing.domain import effects as f
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Failure
from cihealing.effects.publish import page_of
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import Tools
from cihealing.secrecy import masked_in
from cihealing.wording import telling


def tell(effect: f.Tell, *, run: RunState, policy: Policy, tools: Tools) -> None:
    """What cannot be changed (an incoming webhook's message) is not posted again for a mere
    update.
    """
    channel = policy.chat.channel
    for chat in tools.chats:
        posted = service.handle_of(run.id, chat.name)
        if not chat.configured(channel=channel) or (effect.only_update and not posted):
            continue
        message = telling.message_of(
            run,
            policy=policy,
            url=page_of(run, tools),
            failure=_failure(run, tools),
            count=_count(run, tools),
        )
        handle = chat.tell(masked_in(message), handle=posted or "", channel=channel)
        service.record_message(run.id, chat=chat.name, kind=effect.kind, handle=handle)


HANDLER = EffectHandler(f.Tell, tell)


def _failure(run: RunState, tools: Tools) -> Failure | None:
    try:
        return msgspec.json.decode(tools.artifacts.text(run.failure.artifact), type=Failure)
    except KeyError:
        return None


def _count(run: RunState, tools: Tools) -> int:
    return tools.history.affected(run.id).cluster + 1 if run.cluster.leads else 1
