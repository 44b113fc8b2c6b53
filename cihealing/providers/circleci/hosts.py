"""Where CircleCI is asked, and where its answers may lead to."""

from __future__ import annotations

from cihealing.ports import Hosts


def pages(host: str) -> tuple[str, ...]:
    return ("app.circleci.com",) if host == "circleci.com" else ()


HOSTS = Hosts(
    setting="CI_HEALING_CIRCLECI_URL",
    stores=("*.circle-artifacts.com", "dl.circleci.com"),
    s3=True,
    ids="circleci.com",
    pages=pages,
    public=frozenset({"circleci.com"}),
)
