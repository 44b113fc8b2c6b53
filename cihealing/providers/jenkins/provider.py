"""Jenkins, with the Notification plugin."""

from __future__ import annotations

from cihealing.ports import Provider, RawRequest
from cihealing.providers.jenkins import hook
from cihealing.providers.jenkins.checks import SIGNED_IN
from cihealing.providers.jenkins.hosts import HOSTS
from cihealing.providers.jenkins.logs import JenkinsLogs
from cihealing.providers.jenkins.reruns import JenkinsReruns
from cihealing.providers.jenkins.settings import JenkinsSettings
from cihealing.providers.shared import samples


def sign(secret: str, body: bytes) -> RawRequest:
    return samples.request(body, {}, path_token=secret)


PROVIDER = Provider(
    name="jenkins",
    settings=JenkinsSettings,
    hook=hook,
    sign=sign,
    signs_body=False,
    secret_in_url=True,
    logs=JenkinsLogs,
    reruns=JenkinsReruns,
    hosts=HOSTS,
    checks=(SIGNED_IN,),
)
