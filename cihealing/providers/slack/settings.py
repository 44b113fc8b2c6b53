"""Slack's settings."""

from __future__ import annotations

from pydantic import SecretStr

from cihealing.settings import OutboundSettings


class SlackSettings(OutboundSettings):
    """Slack."""

    slack_bot_token: SecretStr = SecretStr("")
    """Posts one message a run and changes it: `chat:write`, `channels:history`."""
    slack_channel: str = ""
    """The id of the channel it posts to."""
    slack_webhook_url: SecretStr = SecretStr("")
    """An incoming webhook instead, which posts and cannot change."""
    slack_signing_secret: SecretStr = SecretStr("")
    """Without it buttons do nothing."""
    slack_api_url: str = "https://slack.com/api/"
    """The base URL of its API."""

    @property
    def token(self) -> str:
        return self.slack_bot_token.get_secret_value()

    @property
    def webhook(self) -> str:
        return self.slack_webhook_url.get_secret_value()


SETTINGS = SlackSettings
