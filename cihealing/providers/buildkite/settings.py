"""Buildkite's settings."""

from __future__ import annotations

from pydantic import SecretStr

from cihealing.settings import OutboundSettings


class BuildkiteSettings(OutboundSettings):
    """Buildkite."""

    buildkite_url: str = "https://api.buildkite.com"
    """The base URL of its API."""
    buildkite_token: SecretStr = SecretStr("")
    """Logs and reruns: `read_builds`, `read_build_logs` and `write_builds`."""
    webhook_secret_buildkite: SecretStr = SecretStr("")
    """Signs Buildkite's webhooks alone."""

    @property
    def token(self) -> str:
        return self.buildkite_token.get_secret_value().strip()


SETTINGS = BuildkiteSettings
