"""Where GitHub is asked, and where its answers may lead to."""

from __future__ import annotations

import re

from cihealing.ports import Hosts


def pages(host: str) -> tuple[str, ...]:
    """GitHub's own, and those of an enterprise with data residency."""
    if host == "api.github.com":
        return ("github.com",)
    enterprise = re.fullmatch(r"api\.([a-z0-9-]+\.ghe\.com)", host)
    return (enterprise[1],) if enterprise else ()


HOSTS = Hosts(
    setting="CI_HEALING_GITHUB_API_URL",
    stores=("*.githubusercontent.com", "*.blob.core.windows.net"),
    s3=True,
    pages=pages,
    public=frozenset({"api.github.com"}),
)
