"""Where Jenkins is asked, and where its answers may lead to."""

from __future__ import annotations

from cihealing.ports import Hosts

HOSTS = Hosts(setting="CI_HEALING_JENKINS_URL")
