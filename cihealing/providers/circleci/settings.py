"""CircleCI's settings."""

from __future__ import annotations

from pydantic import SecretStr

from cihealing.settings import OutboundSettings


class CircleCISettings(OutboundSettings):
    """CircleCI."""

    circleci_url: str = "https://circleci.com"
    """Its base URL."""
    circleci_token: SecretStr = SecretStr("")
    """Logs and reruns: a personal API token of someone who follows the project."""
    webhook_secret_circleci: SecretStr = SecretStr("")
    """Signs CircleCI's webhooks alone."""

    @property
    def token(self) -> str:
        return self.circleci_token.get_secret_value().strip()


SETTINGS = CircleCISettings
