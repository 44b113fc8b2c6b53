"""Any CI that can sign a small JSON body."""

from __future__ import annotations

from cihealing.ports import Provider
from cihealing.providers.shared import body, samples
from cihealing.settings import Group

PROVIDER = Provider(name="generic", settings=Group, hook=body, sign=samples.hub)
