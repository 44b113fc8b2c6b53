"""Facts: past tense, frozen, tagged for ever. One union a stream kind; `Envelope` is what is stored
and hashed.

A tag is never reused with another meaning: a changed shape gets a new version, and an upcaster in
`store`.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

# A new fact is one class, and its place in the union of its file.
from cihealing.domain.events.base import *  # noqa: F403
from cihealing.domain.events.base import Event
from cihealing.domain.events.blame import *  # noqa: F403
from cihealing.domain.events.blame import BlameEvent
from cihealing.domain.events.changes import *  # noqa: F403
from cihealing.domain.events.changes import ChangeEvent, ReviewEvent
from cihealing.domain.events.deliveries import *  # noqa: F403
from cihealing.domain.events.deliveries import DeliveryEvent
from cihealing.domain.events.findings import *  # noqa: F403
from cihealing.domain.events.findings import FindingEvent
from cihealing.domain.events.life import *  # noqa: F403
from cihealing.domain.events.life import LifeEvent
from cihealing.domain.events.models import *  # noqa: F403
from cihealing.domain.events.models import ModelEvent
from cihealing.domain.events.patches import *  # noqa: F403
from cihealing.domain.events.patches import PatchEvent
from cihealing.domain.events.records import *  # noqa: F403
from cihealing.domain.events.records import SmallEvent
from cihealing.domain.values import Actor, Time

RunEvent = (
    LifeEvent | FindingEvent | BlameEvent | ModelEvent | PatchEvent | ReviewEvent | ChangeEvent
)
Events = Sequence[RunEvent]

AnyEvent = RunEvent | DeliveryEvent | SmallEvent


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One stored fact with its circumstances. `source` names what caused it (effect, webhook, page,
    command line).
    """

    event: AnyEvent
    at: Time
    actor: Actor
    source: str
    job_id: str = ""
    run_id: UUID | None = None
    attempt_id: str = ""


def tag_of(event: Event) -> str:
    return str(event.__struct_config__.tag)
