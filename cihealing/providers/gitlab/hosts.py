"""Where GitLab is asked, and where its answers may lead to."""

from __future__ import annotations

from cihealing.ports import Hosts

HOSTS = Hosts(
    setting="CI_HEALING_GITLAB_URL",
    stores=(
        "cdn.artifacts.gitlab-static.net",
        "storage.googleapis.com",
        "*.storage.googleapis.com",
        "*.blob.core.windows.net",
    ),
    s3=True,
    public=frozenset({"gitlab.com"}),
)
