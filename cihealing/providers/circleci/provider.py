"""CircleCI."""

from __future__ import annotations

from cihealing.ports import Provider, RawRequest
from cihealing.providers.circleci import hook
from cihealing.providers.circleci.hosts import HOSTS
from cihealing.providers.circleci.logs import CircleCILogs
from cihealing.providers.circleci.reruns import CircleCIReruns
from cihealing.providers.circleci.settings import CircleCISettings
from cihealing.providers.shared import samples


def sign(secret: str, body: bytes) -> RawRequest:
    return samples.request(body, {"circleci-signature": f"v1={samples.mac(secret, body)}"})


PROVIDER = Provider(
    name="circleci",
    settings=CircleCISettings,
    hook=hook,
    sign=sign,
    logs=CircleCILogs,
    expanding=CircleCILogs,
    reruns=CircleCIReruns,
    hosts=HOSTS,
)
