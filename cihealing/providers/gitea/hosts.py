"""Where Gitea or Forgejo is asked. It keeps its logs itself: there is nowhere else to go."""

from __future__ import annotations

from cihealing.ports import Hosts

HOSTS = Hosts(setting="CI_HEALING_GITEA_URL")
