"""Jenkins, with the Notification plugin."""

from __future__ import annotations

from cihealing.ports import Provider, RawRequest
from cihealing.providers.jenkins import hook, logs, reruns
from cihealing.providers.jenkins.checks import SIGNED_IN
from cihealing.providers.jenkins.hosts import HOSTS
from cihealing.providers.shared import samples


def sign(secret: str, body: bytes) -> RawRequest:
    return samples.request(body, {}, path_token=secret)


PROVIDER = Provider(
    name="jenkins",
    hook=hook,
    sign=sign,
    signs_body=False,
    secret_in_url=True,
    logs=logs,
    reruns=reruns,
    hosts=HOSTS,
    checks=(SIGNED_IN,),
)
