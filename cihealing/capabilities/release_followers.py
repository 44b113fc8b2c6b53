"""End the runs that are attached to a base run, the way it ended."""

from __future__ import annotations

from cihealing import projections, service
from cihealing.domain import effects as f
from cihealing.domain.commands import EndWithLeader
from cihealing.domain.policy import Policy
from cihealing.domain.run import Run
from cihealing.ports import Tools


def release_followers(effect: f.ReleaseFollowers, *, run: Run, policy: Policy, tools: Tools) -> None:
    """Done twice it changes nothing: a follower that has ended refuses a second end."""
    for follower in projections.followers(run.id):
        service.handle(follower, EndWithLeader(leader=run.id, how=effect.how), cause=service.Cause(source="release_followers"))
