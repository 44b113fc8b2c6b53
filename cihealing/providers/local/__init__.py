"""The small CI on this machine that the demo's builds come from; they are posted as any other's."""

from __future__ import annotations

from cihealing.ports import Provider
from cihealing.providers.local import ci
from cihealing.providers.shared import body

PROVIDER = Provider(name="local", hook=body, reruns=ci)
