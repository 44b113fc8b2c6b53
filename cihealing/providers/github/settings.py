"""GitHub's settings."""

from __future__ import annotations

from pydantic import SecretStr

from cihealing.settings import OutboundSettings, named


class GitHubSettings(OutboundSettings):
    """GitHub."""

    also_in_files = ("github_app_id",)

    github_api_url: str = "https://api.github.com"
    """The base URL of its API; GitHub Enterprise Server's ends in `/api/v3`."""
    github_enabled: bool = False
    """Whether changes, comments, checks and reruns may be written there at all."""
    github_token: SecretStr = SecretStr("")
    """Job logs, reruns and pull requests; an App goes before it."""
    github_app_id: str = ""
    """A GitHub App, which `cihealing connect github` makes; its short-lived tokens also clone."""
    github_app_private_key: SecretStr = SecretStr("")
    """The App's key (PEM)."""
    github_base_branch: str = named("GITHUB_BASE_BRANCH", "CI_HEALING_GITHUB_BASE_BRANCH")
    """The branch changes go to where neither payload nor policy names one."""
    webhook_secret_github: SecretStr = SecretStr("")
    """Signs GitHub's webhooks alone."""

    @property
    def token(self) -> str:
        return self.github_token.get_secret_value()

    @property
    def app(self) -> tuple[str, str] | None:
        """The App's id and key, where both are set."""
        key = self.github_app_private_key.get_secret_value()
        return (self.github_app_id, key) if self.github_app_id and key else None


SETTINGS = GitHubSettings
