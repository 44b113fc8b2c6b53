"""What `cihealing doctor` says of GitHub."""

from __future__ import annotations

from cihealing.domain.policy import Policy
from cihealing.ports import Check, Standing
from cihealing.providers.github import app, manifest, members
from cihealing.providers.github.client import ENABLED
from cihealing.providers.github.settings import GitHubSettings


def standing(settings: GitHubSettings, policy: Policy) -> Standing:
    identity = settings.github_app_id
    if not (settings.token or identity):
        return Standing(
            fine=False,
            told=f"neither {app.TOKEN} nor an App is set: its logs cannot be fetched, no change can"
            " be opened",
        )
    who = f"App {identity}" if identity else "a token is set"
    writing = "on" if settings.github_enabled else f"off ({ENABLED})"
    return Standing(fine=True, told=f"{who} for {settings.github_api_url}; writing is {writing}")


def _no_app(settings: GitHubSettings) -> str:
    return "" if settings.app else "there is no App: `cihealing connect github` makes one"


def _no_token(settings: GitHubSettings) -> str:
    if settings.github_app_id:
        return "an App signs in: see github app"
    return "" if settings.token else "there is no token of a person to look at"


SCOPES = Check(
    subject="github scopes",
    excuse=_no_token,
    question=members.excess,
    fine="the token may do what is needed and no more",
)
APP = Check(
    subject="github app",
    excuse=_no_app,
    question=lambda settings: manifest.compared(app.permissions(settings)),
    fine="it signs in, and may do what is needed and no more",
)
