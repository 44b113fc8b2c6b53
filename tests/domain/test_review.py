"""What is said to be possible is what the core does not refuse, in every state people can meet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cihealing.domain import commands as c
from cihealing.domain import review
from cihealing.domain.run import Refused
from tests.domain.world import ANN, World
from tests.tables import table


def asked(world: World, name: str) -> c.PersonCommand:
    version = world.run.version
    act = review.act(world.run, world.policy) or "publish"
    made: dict[str, Callable[[], c.PersonCommand]] = {
        "approve": lambda: c.Approve(act=act, version=version, by=ANN),
        "deny": lambda: c.Deny(by=ANN),
        "abort": lambda: c.Abort(by=ANN),
        "retry": lambda: c.Retry(by=ANN, policy=world.run.policy),
        "human-fix": lambda: c.FixByHand(by=ANN),
    }
    return made[name]()


def healed() -> World:
    world = World()
    world.heal()
    return world


def after(*names: str) -> World:
    world = healed()
    for name in names:
        world.handle(asked(world, name))
    return world


STATES: dict[str, Callable[[], World]] = {
    "fixed": healed,
    "approved": lambda: after("approve"),
    "escalated": lambda: after("deny"),
    "aborted": lambda: after("abort"),
    "resolved": lambda: after("deny", "human-fix"),
    "begun again": lambda: after("deny", "retry"),
}


@table("name", ["approve", "deny", "abort", "retry", "human-fix"])
@table("state", STATES)
def test_what_may_be_done_is_what_is_not_refused(state: str, name: str) -> None:
    world = STATES[state]()
    possible = name in review.actions(world.run)
    if possible:
        world.handle(asked(world, name))
    else:
        with pytest.raises(Refused):
            world.handle(asked(world, name))
