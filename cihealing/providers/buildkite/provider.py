"""Buildkite."""

from __future__ import annotations

from datetime import UTC, datetime

from cihealing.ports import Provider, RawRequest
from cihealing.providers.buildkite import hook
from cihealing.providers.buildkite.hosts import HOSTS
from cihealing.providers.buildkite.logs import BuildkiteLogs
from cihealing.providers.buildkite.reruns import BuildkiteReruns
from cihealing.providers.buildkite.settings import BuildkiteSettings
from cihealing.providers.shared import samples


def sign(secret: str, body: bytes) -> RawRequest:
    at = str(int(datetime.now(UTC).timestamp()))
    return samples.request(
        body,
        {
            "x-buildkite-signature": (
                f"timestamp={at},signature={samples.mac(secret, at.encode() + b'.' + body)}"
            )
        },
    )


PROVIDER = Provider(
    name="buildkite",
    settings=BuildkiteSettings,
    hook=hook,
    sign=sign,
    logs=BuildkiteLogs,
    expanding=BuildkiteLogs,
    reruns=BuildkiteReruns,
    hosts=HOSTS,
)
