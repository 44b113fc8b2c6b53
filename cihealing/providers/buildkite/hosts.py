"""Where Buildkite is asked, and where its answers may lead to."""

from __future__ import annotations

from cihealing.ports import Hosts


def pages(host: str) -> tuple[str, ...]:
    return ("buildkite.com",) if host == "api.buildkite.com" else ()


HOSTS = Hosts(
    setting="CI_HEALING_BUILDKITE_URL",
    stores=("*.buildkiteartifacts.com", "buildkiteartifacts.com"),
    s3=True,
    ids="buildkite.com",
    pages=pages,
    public=frozenset({"api.buildkite.com"}),
)
