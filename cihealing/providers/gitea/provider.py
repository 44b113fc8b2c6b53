"""Gitea and Forgejo: their Actions, and their pull requests."""

from __future__ import annotations

from functools import partial

from cihealing.ports import Check, Forge, Provider, RawRequest
from cihealing.providers.gitea import hook, members
from cihealing.providers.gitea.api import API, READ, TOKEN, asked_about
from cihealing.providers.gitea.changes import GiteaChanges
from cihealing.providers.gitea.hosts import HOSTS
from cihealing.providers.gitea.logs import GiteaLogs
from cihealing.providers.gitea.publishing import GiteaPublishing
from cihealing.providers.gitea.reruns import GiteaReruns
from cihealing.providers.gitea.settings import GiteaSettings
from cihealing.providers.shared import outbound, samples


def sign(secret: str, body: bytes) -> RawRequest:
    return samples.request(body, {"x-gitea-signature": samples.mac(secret, body)})


def _not_set_up(settings: GiteaSettings) -> str:
    if settings.gitea_url and settings.token:
        return ""
    return f"set {HOSTS.setting} and {TOKEN} for logs, reruns and pull requests"


def signed_in(settings: GiteaSettings) -> list[str]:
    """Nothing, where Gitea knows the token. Source: `repoSearch`."""
    side = API.side(
        settings,
        bases=settings.gitea_url,
        token=settings.token,
        host="",
        need=READ,
        wanted="logs and reruns",
    )
    with outbound.talk(side, settings=settings, transport=None) as conversation:
        answer = conversation.get("api/v1/repos/search", params={"limit": 1})
        asked_about("its repositories", "a repository").check(answer)
    return []


def forge(settings: GiteaSettings) -> Forge:
    return Forge(
        publishing=partial(GiteaPublishing, settings),
        changes=partial(GiteaChanges, settings),
        voice=partial(members.GiteaVoice, settings),
        permissions=partial(members.GiteaPermissions, settings),
        leaving=partial(members.GiteaLeaving, settings),
    )


SIGNED_IN = Check(
    subject="gitea", excuse=_not_set_up, question=signed_in, fine="it answers, and knows the token"
)

PROVIDER = Provider(
    name="gitea",
    settings=GiteaSettings,
    hook=hook,
    own_change=hook.own_change,
    sign=sign,
    logs=GiteaLogs,
    expanding=GiteaLogs,
    identifying=GiteaLogs,
    reruns=GiteaReruns,
    forge=forge,
    credentials=members.GiteaCredentials,
    hosts=HOSTS,
    checks=(SIGNED_IN,),
)
