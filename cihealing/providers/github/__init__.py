"""GitHub: its CI, and its pull requests."""

from __future__ import annotations

from cihealing.ports import Forge, Provider
from cihealing.providers.github import app, checks, hook, logs, members, reruns
from cihealing.providers.github.changes import GitHubChanges
from cihealing.providers.github.hosts import HOSTS
from cihealing.providers.github.publishing import GitHubPublishing
from cihealing.providers.github.voice import GitHubVoice
from cihealing.providers.shared import samples

PROVIDER = Provider(
    name="github",
    hook=hook,
    own_change=hook.own_change,
    sign=samples.hub,
    logs=logs,
    expanding=logs,
    reruns=reruns,
    forge=Forge(
        publishing=GitHubPublishing,
        changes=GitHubChanges,
        voice=GitHubVoice,
        permissions=members.GitHubPermissions,
        leaving=members.GitHubLeaving,
        usual_base="CI_HEALING_GITHUB_BASE_BRANCH",
    ),
    credentials=app,
    excess=members.excess,
    hosts=HOSTS,
    standing=checks.standing,
    checks=(checks.SCOPES, checks.APP),
)
