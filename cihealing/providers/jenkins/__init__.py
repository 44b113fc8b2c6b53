"""Jenkins, with the Notification plugin."""

from __future__ import annotations

from cihealing.ports import Check, Provider, RawRequest
from cihealing.providers.jenkins import hook
from cihealing.providers.jenkins.hosts import HOSTS
from cihealing.providers.shared import samples
from cihealing.providers.shared.settings import unset


def sign(secret: str, body: bytes) -> RawRequest:
    return samples.request(body, {}, path_token=secret)


SIGNED_IN = Check(
    subject="jenkins",
    excuse=unset(
        "CI_HEALING_JENKINS_URL",
        "CI_HEALING_JENKINS_TOKEN",
        say="set CI_HEALING_JENKINS_URL, CI_HEALING_JENKINS_USER and CI_HEALING_JENKINS_TOKEN for"
        " logs and reruns",
    ),
    question=hook.signed_in,
    fine="it answers, and knows the user",
)
PROVIDER = Provider(
    name="jenkins",
    hook=hook,
    sign=sign,
    signs_body=False,
    logs=hook,
    reruns=hook,
    hosts=HOSTS,
    checks=(SIGNED_IN,),
)
