"""Slack."""

from __future__ import annotations

from collections.abc import Mapping

from cihealing.domain.policy import Policy
from cihealing.ports import Check, Provider, Standing
from cihealing.providers.shared.settings import unset
from cihealing.providers.slack import chat


def standing(settings: Mapping[str, str], policy: Policy) -> Standing:
    if not chat.configured(settings=settings):
        return Standing(fine=False, told=f"set {chat.TOKEN} with {chat.CHANNEL}, or {chat.WEBHOOK}")
    if not settings.get(chat.SIGNING):
        return Standing(
            fine=False, told=f"it is told; its buttons do nothing until {chat.SIGNING} is set"
        )
    people = len(policy.chat.people)
    return Standing(fine=True, told=f"it is told, and {people} linked people may press its buttons")


SIGNED_IN = Check(
    subject="slack bot",
    excuse=unset(chat.TOKEN, say="there is no bot token to look at"),
    question=chat.signed_in,
    fine="Slack knows the bot",
)
PROVIDER = Provider(name="slack", chat=chat, standing=standing, checks=(SIGNED_IN,))
