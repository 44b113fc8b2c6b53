"""CircleCI."""

from __future__ import annotations

from cihealing.ports import Provider, RawRequest
from cihealing.providers.circleci import hook, logs, reruns
from cihealing.providers.circleci.hosts import HOSTS
from cihealing.providers.shared import samples


def sign(secret: str, body: bytes) -> RawRequest:
    return samples.request(body, {"circleci-signature": f"v1={samples.mac(secret, body)}"})


PROVIDER = Provider(
    name="circleci", hook=hook, sign=sign, logs=logs, expanding=logs, reruns=reruns, hosts=HOSTS
)
