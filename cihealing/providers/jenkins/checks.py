"""What `cihealing doctor` asks of Jenkins."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from cihealing.ports import Check
from cihealing.providers.jenkins.api import API, USER, asked_about, talk
from cihealing.providers.jenkins.settings import JenkinsSettings


def _not_set_up(settings: JenkinsSettings) -> str:
    if settings.jenkins_url and settings.token:
        return ""
    return (
        "set CI_HEALING_JENKINS_URL, CI_HEALING_JENKINS_USER and CI_HEALING_JENKINS_TOKEN for logs"
        " and reruns"
    )


def signed_in(settings: JenkinsSettings, transport: httpx.BaseTransport | None = None) -> list[str]:
    """Where a token is not known at one of the base URLs, in words. Raises TransientError,
    PermanentError. Source: `whoAmI/api/json`.
    """
    found = []
    for url in settings.jenkins_url:
        host = urlsplit(url).netloc
        with talk(settings, host=host, need="Overall/Read", transport=transport) as conversation:
            asked = asked_about("who we are", "Overall/Read")
            who = asked.fields(conversation.get("whoAmI/api/json"))
            with asked.readable():
                if who.flag("anonymous") or not who.flag("authenticated"):
                    found.append(f"{host} does not know the user: check {USER} and {API.token}")
    return found


SIGNED_IN = Check(
    subject="jenkins", excuse=_not_set_up, question=signed_in, fine="it answers, and knows the user"
)
