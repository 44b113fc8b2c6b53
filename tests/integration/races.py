"""Many at once over a database of one's own: `python -m tests.integration.races KIND NUMBER`, with
CI_HEALING_DATA_DIR set.

KIND is budget, approvals or followers. Prints what came of it as one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    kind, number = sys.argv[1], int(sys.argv[2])
    print(
        json.dumps({"budget": budget, "approvals": approvals, "followers": followers}[kind](number))
    )


def budget(attempts: int) -> dict[str, Any]:
    """`attempts` at once against money for ten calls."""
    from django.db import connection

    from cihealing.service import OverBudget, reserve
    from tests.service.test_spending import ai, run

    together = threading.Barrier(min(attempts, 50))

    def one(number: int) -> bool:
        together.wait(60)
        try:
            reserve(
                run(), number=1, provider="anthropic", model="m", usd=1.0, policy=ai(daily_usd=10)
            )
        except OverBudget:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(attempts) as pool:
        made = list(pool.map(one, range(attempts)))
    return {"calls": made.count(True), "refused": made.count(False)}


def approvals(races: int) -> dict[str, Any]:
    """Two people, or a person and the world, at one open change; a new run each time."""
    from cihealing import service
    from cihealing.models import Outbox

    dice = random.Random(11)
    found = {"races": races, "wrong": [], "merges": 0}
    for number in range(races):
        race = Race(number)
        rivals = [race.rival(kind) for kind in KINDS[number % len(KINDS)]]
        dice.shuffle(rivals)
        won = _at_once(rivals)
        for row in Outbox.objects.filter(stream=race.id, name="publish", state="pending"):
            service.run_effect(row.id, tools=race.tools, capabilities=race.capabilities, readers={})
        wrong = race.wrong(sum(won))
        if wrong:
            found["wrong"].append(f"{KINDS[number % len(KINDS)]}: {wrong}")
        found["merges"] += race.forge.made("merge")
        Outbox.objects.filter(stream=race.id, state="pending").update(state="dropped")
    return found


KINDS = (("ann", "ben"), ("ann", "abort"), ("ann", "push"), ("ann", "deny"))


class Race:
    """A run whose proven change is open, with a forge and tools of its own."""

    def __init__(self, number: int) -> None:
        from cihealing import registry, service
        from tests.fakes.forge import OpenForge
        from tests.fakes.service import Bench

        self.bench = Bench(fixers=())
        self.forge = OpenForge(self.bench.trees.heads)
        self.bench.trees.root = Path(tempfile.gettempdir())
        self.bench.use(forge=self.forge)
        self.tools, self.capabilities = self.bench.tools, registry.CAPABILITIES
        self.id = opened(number, self.forge)
        self.version, self.pushed = service.get(self.id).version, False

    def rival(self, kind: str) -> Callable[[], bool]:
        return {
            "push": self.push,
            "abort": lambda: self.act("abort", "cid"),
            "deny": lambda: self.act("deny", "dora"),
        }.get(kind, lambda: self.act("approve", kind, act="merge"))

    def act(self, action: str, name: str, **fields: str) -> bool:
        from cihealing import service
        from cihealing.domain.run import Refused
        from cihealing.domain.values import Actor

        try:
            service.perform(
                self.id,
                action,
                version=self.version,
                by=Actor(kind="person", name=name),
                tools=self.tools,
                **fields,
            )
        except Refused:
            return False
        return True

    def push(self) -> bool:
        self.forge.set(self.url, head="7" * 40)
        self.pushed = True
        return False

    @property
    def url(self) -> str:
        return next(iter(self.forge.states))

    def wrong(self, winners: int) -> str:
        """What is not as it must be; empty where all is."""
        from cihealing import service

        run, merges = service.get(self.id), self.forge.made("merge")
        merged = self.forge.states[self.url].state == "merged"
        if winners != 1:
            return f"{winners} winners"
        if merges > 1:
            return f"{merges} merge calls"
        if merged != (run.end.resolution == "merged"):
            return (
                f"the forge says {self.forge.states[self.url].state}, the run {run.status}"
                f" {run.end.resolution}"
            )
        return (
            "merged though somebody pushed"
            if merged and self.pushed and self.forge.states[self.url].head != "9" * 40
            else ""
        )


def opened(number: int, forge: Any) -> UUID:
    """A run as it stands when its proven change is open at the forge; returns its id."""
    from datetime import UTC, datetime

    import msgspec
    from django.db import transaction

    from cihealing import store
    from cihealing.domain import events as e
    from cihealing.domain.evolve import fold
    from cihealing.domain.policy import Policy, RepositoryPolicy
    from cihealing.domain.values import SERVICE, Failure, run_id_of
    from cihealing.ports import Change
    from cihealing.store import projections
    from tests.domain.world import HASH, World, queued
    from tests.fakes.forge import URL
    from tests.fakes.service import PATCH

    now = datetime.now(UTC)
    commit = f"{number:040x}"
    run_id = run_id_of("acme/shop", commit, HASH)
    policy = Policy(repositories=(RepositoryPolicy(match="*", forge="forge"),))
    with transaction.atomic():
        patch = store.put(PATCH, kind="patch", now=now)
        failure = store.put(
            msgspec.json.encode(Failure(error_hash=HASH, strong=True, error_type="E", summary="s")),
            kind="failure",
            now=now,
        )
        pinned = store.put(policy.canonical(), kind="policy", now=now)
        world = World(patches=[patch], queued=queued(failure=failure, policy=pinned, commit=commit))
        world.heal()
        published = e.ChangePublished(url=URL, commit="9" * 40, merged=False)
        envelopes = [
            *world.envelopes,
            e.Envelope(event=published, at=now, actor=SERVICE, source="test"),
        ]
        own = [msgspec.structs.replace(envelope, run_id=run_id) for envelope in envelopes]
        store.append(run_id, own, expected_version=0)
        projections.project_run(fold(run_id, own), max_attempts=3)
    forge.states[URL] = Change(url=URL, state="open", head="9" * 40)
    return run_id


def followers(races: int) -> dict[str, Any]:
    """A run attaches while the one it would attach to ends, and the notice of that end is carried
    out at once; never swept.
    """
    from cihealing import service
    from cihealing.domain import commands as c
    from cihealing.store import projections
    from tests.domain.world import ANN
    from tests.service.test_followers import CAUSE, begin, blame_base

    found: dict[str, Any] = {"races": races, "left behind": 0, "attached": 0, "claimed": 0}
    for number in range(races):
        leader, late = begin(2 * number), begin(2 * number + 1)
        blame_base(leader)
        end = (c.Abort(by=ANN), c.GiveUp(effect="run_command", reason="lost"))[number % 2]

        def stop(leader: UUID = leader, end: c.RunCommand = end) -> bool:
            service.handle(leader, end, cause=CAUSE)
            service.release_followers(leader)
            return True

        def attach(late: UUID = late) -> bool:
            blame_base(late)
            return True

        _at_once([stop, attach])
        found["left behind"] += len(projections.left_behind())
        state = service.get(late)
        found["attached"] += state.cluster.attached_to == leader
        found["claimed"] += bool(state.blame.claimed_base)
        for run_id in (leader, late):
            if service.get(run_id).open:
                service.handle(run_id, c.Abort(by=ANN), cause=CAUSE)
        service.release_followers()
    return found


def _at_once(rivals: list[Callable[[], bool]]) -> list[bool]:
    from django.db import connection

    together = threading.Barrier(len(rivals))

    def one(rival: Callable[[], bool]) -> bool:
        together.wait(60)
        try:
            return rival()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(rivals)) as pool:
        return list(pool.map(one, rivals))


if __name__ == "__main__":
    main()
