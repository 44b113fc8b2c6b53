"""GitHub: its CI, and its pull requests."""

from __future__ import annotations

from functools import partial

from cihealing.ports import Forge, Provider
from cihealing.providers.github import checks, hook, members
from cihealing.providers.github.app import GitHubCredentials
from cihealing.providers.github.changes import GitHubChanges
from cihealing.providers.github.hosts import HOSTS
from cihealing.providers.github.logs import GitHubLogs
from cihealing.providers.github.publishing import GitHubPublishing
from cihealing.providers.github.reruns import GitHubReruns
from cihealing.providers.github.settings import GitHubSettings
from cihealing.providers.github.voice import GitHubVoice
from cihealing.providers.shared import samples


def forge(settings: GitHubSettings) -> Forge:
    return Forge(
        publishing=partial(GitHubPublishing, settings),
        changes=partial(GitHubChanges, settings),
        voice=partial(GitHubVoice, settings),
        permissions=partial(members.GitHubPermissions, settings),
        leaving=partial(members.GitHubLeaving, settings),
        usual_base=settings.github_base_branch,
    )


PROVIDER = Provider(
    name="github",
    settings=GitHubSettings,
    hook=hook,
    own_change=hook.own_change,
    sign=samples.hub,
    logs=GitHubLogs,
    expanding=GitHubLogs,
    identifying=GitHubLogs,
    reruns=GitHubReruns,
    forge=forge,
    credentials=GitHubCredentials,
    excess=members.excess,
    hosts=HOSTS,
    standing=checks.standing,
    checks=(checks.SCOPES, checks.APP),
)
