"""Attached runs stop where their leader stopped."""

from __future__ import annotations

import logging
from uuid import UUID

from cihealing.domain.commands import FollowLeader
from cihealing.domain.effects import ReleaseFollowers
from cihealing.domain.run import Refused
from cihealing.service.handling import Cause, handle
from cihealing.store import StreamMoved, UnknownEvent, projections

logger = logging.getLogger(__name__)


def release_followers(leader: UUID | None = None) -> int:
    """Let the attached runs that were left behind by `leader`, or by any, go its way; returns how
    many there were.

    What it looks at is where the leaders are, not what was told of them: a notice that was lost,
    given up or came too early leaves nobody behind for longer than until the next sweep. One run
    that cannot be written holds none of the others up.
    """
    behind = projections.left_behind(leader)
    for run_id, stopped in behind:
        try:
            handle(
                run_id, FollowLeader(leader=stopped), cause=Cause(source=ReleaseFollowers.name())
            )
        except (Refused, StreamMoved, UnknownEvent) as error:
            logger.warning("run %s does not follow its leader %s yet: %s", run_id, stopped, error)
    return len(behind)
