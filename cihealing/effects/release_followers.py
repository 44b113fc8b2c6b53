"""Let the runs that are attached to a base run go the way it went."""

from __future__ import annotations

from cihealing import service
from cihealing.domain import effects as f
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import Tools


def release_followers(
    effect: f.ReleaseFollowers, *, run: RunState, policy: Policy, tools: Tools
) -> None:
    """Done twice it changes nothing: nobody is left behind then."""
    service.release_followers(run.id)


HANDLER = EffectHandler(f.ReleaseFollowers, release_followers)
