"""The corpora of hostile and benign input, and how an entry of the URLs' is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import httpx
import yaml

from cihealing import providers, registry
from cihealing.http import urls
from cihealing.http.client import Side, converse
from cihealing.http.refusal import Refusal, RequestRefused
from cihealing.http.urls import Allowed, Base
from cihealing.ports import Hosts
from cihealing.settings import PREFIX, OutboundSettings, separated
from tests.groups import holding

CORPORA = Path(__file__).parents[1] / "corpora"
PUBLIC = "140.82.112.3"
SECRET = "Bearer of-the-side"


def entries(name: str) -> list[dict[str, Any]]:
    return list(yaml.load((CORPORA / name).read_text(), yaml.CSafeLoader))


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [str(row["id"]) for row in rows]


def crowded(rows: list[dict[str, Any]]) -> list[str]:
    """Techniques with more than five entries, and ids that are not unique."""
    techniques, names = (
        Counter(row["technique"] for row in rows),
        Counter(row["id"] for row in rows),
    )
    return [name for name, count in techniques.items() if count > 5] + [
        name for name, count in names.items() if count > 1
    ]


STANDARD: Mapping[str, str] = entries("urls/benign.yaml")[0]["settings"]


SIDES = registry.offered(lambda one: one.hosts)


def hosts_of(side: str, settings: Mapping[str, str]) -> Hosts:
    """One side's, at the base URLs that these settings hold."""
    hosts = SIDES[side]
    held = getattr(
        holding(registry.PROVIDERS[side].settings, settings),
        hosts.setting.removeprefix(PREFIX).lower(),
    )
    return hosts.at(*(separated(held) if isinstance(held, str) else held))


def allowed(settings: Mapping[str, str], *, side: str = "") -> Allowed:
    """Where one side may be asked; every side's places without one."""
    sides = [hosts_of(name, settings) for name in ([side] if side else SIDES)]
    return urls.allowed(
        holding(OutboundSettings, settings), sides=sides, public=providers.public_hosts()
    )


def side_of(entry: Mapping[str, Any]) -> Side:
    settings, name = entry.get("settings", STANDARD), entry.get("side", "")
    base = next(
        found
        for found in urls.bases_of(hosts_of(name or "github", settings))
        if isinstance(found, Base)
    )
    among = allowed(settings, side=name)
    return Side(
        title="The other side",
        base=base,
        allowed=among,
        credential={"Authorization": SECRET},
        headers={},
    )


class Asked:
    """What was really sent for an entry: (scheme, address, port, Host header, whether the
    credential went with it).
    """

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.answers: dict[str, list[str]] = entry.get("resolves_to", {})
        self.redirects = list(entry.get("redirects", []))
        self.seen: list[httpx.Request] = []
        self.resolved: list[str] = []

    def resolve(self, host: str, port: int) -> list[str]:
        self.resolved.append(host)
        return self.answers.get(host, [PUBLIC])

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if self.redirects:
            return httpx.Response(302, headers=[(b"location", self.redirects.pop(0).encode())])
        return httpx.Response(200, text="the log\n")


def ask(entry: Mapping[str, Any]) -> Asked:
    """Fetch the entry's URL over the real client. Raises Refused."""
    asked, side = Asked(entry), side_of(entry)
    with converse(
        side,
        settings=OutboundSettings(),
        transport=httpx.MockTransport(asked.answer),
        resolve=asked.resolve,
    ) as conversation:
        try:
            with conversation.stream(
                entry["url"] if "://" in entry["url"] else _odd(entry["url"])
            ) as streamed:
                assert b"".join(streamed.chunks) == b"the log\n"
        finally:
            origin = side.base.target
            for request in asked.seen:
                if "authorization" in request.headers:
                    assert (request.url.scheme, request.headers["host"]) == (
                        origin.scheme,
                        origin.authority,
                    )
    return asked


def _odd(url: str) -> NoReturn:
    """What has no `://` would be read as a path of the API; it is judged as the URL it wants to
    be.
    """
    found = urls.judge(url, among=allowed(STANDARD))
    assert isinstance(found, Refusal)
    raise RequestRefused(found)
