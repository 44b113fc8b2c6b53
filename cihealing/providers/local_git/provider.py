"""A git repository on this machine, to merge into."""

from __future__ import annotations

from cihealing.ports import Forge, Provider
from cihealing.providers.local_git.publishing import LocalGitPublishing
from cihealing.settings import Group

PROVIDER = Provider(
    name="local_git", settings=Group, forge=lambda _settings: Forge(publishing=LocalGitPublishing)
)
