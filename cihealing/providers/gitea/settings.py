"""Gitea's and Forgejo's settings."""

from __future__ import annotations

from pydantic import SecretStr

from cihealing.settings import CloneSettings, CommaSeparated, OutboundSettings


class GiteaSettings(OutboundSettings, CloneSettings):
    """Gitea and Forgejo."""

    gitea_url: CommaSeparated = ()
    """Base URLs, with commas: only there a token is sent, and only there a private address may be
    reached.
    """
    gitea_enabled: bool = False
    """Whether pull requests, comments, statuses and reruns may be written there at all."""
    gitea_token: SecretStr = SecretStr("")
    """Logs and reruns (where the server has that call): `write:repository`; for pull requests also
    `write:issue`, of an administrator. It also clones.
    """
    webhook_secret_gitea: SecretStr = SecretStr("")
    """Signs Gitea's webhooks alone."""

    @property
    def token(self) -> str:
        return self.gitea_token.get_secret_value().strip()


SETTINGS = GiteaSettings
