"""Slack."""

from __future__ import annotations

from cihealing.domain.policy import Policy
from cihealing.ports import Check, Provider, Standing
from cihealing.providers.slack import chat
from cihealing.providers.slack.settings import SlackSettings


def standing(settings: SlackSettings, policy: Policy) -> Standing:
    if not chat.SlackChat(settings).configured():
        return Standing(fine=False, told=f"set {chat.TOKEN} with {chat.CHANNEL}, or {chat.WEBHOOK}")
    if not settings.slack_signing_secret.get_secret_value():
        return Standing(
            fine=False, told=f"it is told; its buttons do nothing until {chat.SIGNING} is set"
        )
    people = len(policy.chat.people)
    return Standing(fine=True, told=f"it is told, and {people} linked people may press its buttons")


def _no_token(settings: SlackSettings) -> str:
    return "" if settings.token else "there is no bot token to look at"


SIGNED_IN = Check(
    subject="slack bot", excuse=_no_token, question=chat.signed_in, fine="Slack knows the bot"
)
PROVIDER = Provider(
    name="slack",
    settings=SlackSettings,
    chat=chat.SlackChat,
    standing=standing,
    checks=(SIGNED_IN,),
)
