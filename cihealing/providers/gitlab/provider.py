"""GitLab: its CI, and its merge requests."""

from __future__ import annotations

from functools import partial

from cihealing.ports import Check, Forge, Provider, RawRequest
from cihealing.providers.gitlab import hook, members
from cihealing.providers.gitlab.changes import GitLabChanges
from cihealing.providers.gitlab.client import TOKEN
from cihealing.providers.gitlab.hosts import HOSTS
from cihealing.providers.gitlab.logs import GitLabLogs
from cihealing.providers.gitlab.publishing import GitLabPublishing
from cihealing.providers.gitlab.reruns import GitLabReruns
from cihealing.providers.gitlab.settings import GitLabSettings
from cihealing.providers.shared import samples


def sign(secret: str, body: bytes) -> RawRequest:
    return (
        samples.standard(secret, body)
        if secret.startswith("whsec_")
        else samples.request(body, {"x-gitlab-token": secret})
    )


def _no_token(settings: GitLabSettings) -> str:
    return "" if settings.token else f"set {TOKEN} for logs, reruns and merge requests"


def forge(settings: GitLabSettings) -> Forge:
    return Forge(
        publishing=partial(GitLabPublishing, settings),
        changes=partial(GitLabChanges, settings),
        voice=partial(members.GitLabVoice, settings),
        permissions=partial(members.GitLabPermissions, settings),
        leaving=partial(members.GitLabLeaving, settings),
    )


ANSWERS = Check(
    subject="gitlab",
    excuse=_no_token,
    question=members.excess,
    fine="it answers, and the token may do what is needed and no more",
)
PROVIDER = Provider(
    name="gitlab",
    settings=GitLabSettings,
    hook=hook,
    own_change=hook.own_change,
    sign=sign,
    signs_body=False,
    logs=GitLabLogs,
    expanding=GitLabLogs,
    identifying=GitLabLogs,
    reruns=GitLabReruns,
    forge=forge,
    excess=members.excess,
    hosts=HOSTS,
    checks=(ANSWERS,),
)
