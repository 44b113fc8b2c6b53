"""The small CI on this machine that the demo's builds come from; they are posted as any other's."""

from __future__ import annotations

from cihealing.ports import Provider
from cihealing.providers.local.ci import LocalReruns
from cihealing.providers.local.settings import LocalSettings
from cihealing.providers.shared import body

PROVIDER = Provider(name="local", settings=LocalSettings, hook=body, reruns=LocalReruns)
