"""Jenkins' settings."""

from __future__ import annotations

from pydantic import SecretStr

from cihealing.settings import CommaSeparated, OutboundSettings


class JenkinsSettings(OutboundSettings):
    """Jenkins."""

    jenkins_url: CommaSeparated = ()
    """Base URLs, with commas: only there a token is sent, and only there a private address may be
    reached.
    """
    jenkins_user: str = ""
    """The user the token is of."""
    jenkins_token: SecretStr = SecretStr("")
    """Logs and reruns."""
    webhook_secret_jenkins: SecretStr = SecretStr("")
    """Ends the URL of Jenkins' webhook; `up` makes one."""

    @property
    def token(self) -> str:
        return self.jenkins_token.get_secret_value().strip()


SETTINGS = JenkinsSettings
