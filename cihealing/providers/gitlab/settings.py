"""GitLab's settings."""

from __future__ import annotations

from pydantic import SecretStr

from cihealing.settings import OutboundSettings


class GitLabSettings(OutboundSettings):
    """GitLab."""

    gitlab_url: str = "https://gitlab.com"
    """Its base URL."""
    gitlab_enabled: bool = False
    """Whether merge requests and notes may be written there at all."""
    gitlab_token: SecretStr = SecretStr("")
    """Job logs and reruns; for merge requests with scope `api` and the role Developer."""
    webhook_secret_gitlab: SecretStr = SecretStr("")
    """Signs GitLab's webhooks alone."""

    @property
    def token(self) -> str:
        return self.gitlab_token.get_secret_value()


SETTINGS = GitLabSettings
