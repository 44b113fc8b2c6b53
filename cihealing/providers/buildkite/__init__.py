"""Buildkite."""

from __future__ import annotations

from datetime import UTC, datetime

from cihealing.ports import Provider, RawRequest
from cihealing.providers.buildkite import hook, logs, reruns
from cihealing.providers.buildkite.hosts import HOSTS
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
    name="buildkite", hook=hook, sign=sign, logs=logs, expanding=logs, reruns=reruns, hosts=HOSTS
)
