"""Gitea and Forgejo: their Actions, and their pull requests."""

from __future__ import annotations

from collections.abc import Mapping

from cihealing.ports import Check, Forge, Provider, RawRequest
from cihealing.providers.gitea import hook, logs, members, reruns
from cihealing.providers.gitea.api import API, READ, TOKEN, asked_about
from cihealing.providers.gitea.changes import GiteaChanges
from cihealing.providers.gitea.hosts import HOSTS
from cihealing.providers.gitea.publishing import GiteaPublishing
from cihealing.providers.shared import outbound, samples
from cihealing.providers.shared.settings import unset


def sign(secret: str, body: bytes) -> RawRequest:
    return samples.request(body, {"x-gitea-signature": samples.mac(secret, body)})


def signed_in(settings: Mapping[str, str]) -> list[str]:
    """Nothing, where Gitea knows the token. Source: `repoSearch`."""
    side = API.side(
        settings, token=settings[TOKEN].strip(), host="", need=READ, wanted="logs and reruns"
    )
    with outbound.talk(side, settings=settings, transport=None) as conversation:
        answer = conversation.get("api/v1/repos/search", params={"limit": 1})
        asked_about("its repositories", "a repository").check(answer)
    return []


SIGNED_IN = Check(
    subject="gitea",
    excuse=unset(
        HOSTS.setting,
        TOKEN,
        say=f"set {HOSTS.setting} and {TOKEN} for logs, reruns and pull requests",
    ),
    question=signed_in,
    fine="it answers, and knows the token",
)

PROVIDER = Provider(
    name="gitea",
    hook=hook,
    own_change=hook.own_change,
    sign=sign,
    logs=logs,
    expanding=logs,
    reruns=reruns,
    forge=Forge(
        publishing=GiteaPublishing,
        changes=GiteaChanges,
        voice=members.GiteaVoice,
        permissions=members.GiteaPermissions,
        leaving=members.GiteaLeaving,
    ),
    credentials=members,
    hosts=HOSTS,
    checks=(SIGNED_IN,),
)
