"""GitLab: its CI, and its merge requests."""

from __future__ import annotations

from cihealing.ports import Check, Forge, Provider, RawRequest
from cihealing.providers.gitlab import hook, logs, members, reruns
from cihealing.providers.gitlab.changes import GitLabChanges
from cihealing.providers.gitlab.client import TOKEN
from cihealing.providers.gitlab.hosts import HOSTS
from cihealing.providers.gitlab.publishing import GitLabPublishing
from cihealing.providers.shared import samples
from cihealing.providers.shared.settings import unset


def sign(secret: str, body: bytes) -> RawRequest:
    return (
        samples.standard(secret, body)
        if secret.startswith("whsec_")
        else samples.request(body, {"x-gitlab-token": secret})
    )


ANSWERS = Check(
    subject="gitlab",
    excuse=unset(TOKEN, say=f"set {TOKEN} for logs, reruns and merge requests"),
    question=members.excess,
    fine="it answers, and the token may do what is needed and no more",
)
PROVIDER = Provider(
    name="gitlab",
    hook=hook,
    own_change=hook.own_change,
    sign=sign,
    signs_body=False,
    logs=logs,
    expanding=logs,
    reruns=reruns,
    forge=Forge(
        publishing=GitLabPublishing,
        changes=GitLabChanges,
        voice=members.GitLabVoice,
        permissions=members.GitLabPermissions,
        leaving=members.GitLabLeaving,
    ),
    excess=members.excess,
    hosts=HOSTS,
    checks=(ANSWERS,),
)
