"""What `cihealing doctor` says of GitHub."""

from __future__ import annotations

from collections.abc import Mapping

from cihealing.domain.policy import Policy
from cihealing.ports import Check, Standing
from cihealing.providers.github import app, manifest, members
from cihealing.providers.github.client import ENABLED
from cihealing.providers.shared.settings import unset


def standing(settings: Mapping[str, str], policy: Policy) -> Standing:
    identity = settings.get(app.APP)
    if not (settings.get(app.TOKEN) or identity):
        return Standing(
            fine=False,
            told=f"neither {app.TOKEN} nor an App is set: its logs cannot be fetched, no change can"
            " be opened",
        )
    who = f"App {identity}" if identity else "a token is set"
    writing = "on" if settings.get(ENABLED) == "true" else f"off ({ENABLED})"
    return Standing(fine=True, told=f"{who} for {settings[app.API]}; writing is {writing}")


def _no_token(settings: Mapping[str, str]) -> str:
    if settings.get(app.APP):
        return "an App signs in: see github app"
    return "" if settings.get(app.TOKEN) else "there is no token of a person to look at"


SCOPES = Check(
    subject="github scopes",
    excuse=_no_token,
    question=members.excess,
    fine="the token may do what is needed and no more",
)
APP = Check(
    subject="github app",
    excuse=unset(app.APP, app.KEY, say="there is no App: `cihealing connect github` makes one"),
    question=lambda settings: manifest.compared(app.permissions(settings)),
    fine="it signs in, and may do what is needed and no more",
)
