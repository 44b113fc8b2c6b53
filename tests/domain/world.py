"""A world that answers effects without a database, a clock or a sandbox: the core is driven exactly
as the service drives it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from cihealing.domain import commands as c
from cihealing.domain import effects as f
from cihealing.domain import events as e
from cihealing.domain.decide import decide
from cihealing.domain.evolve import evolve, fold
from cihealing.domain.playbooks import PLAYBOOKS
from cihealing.domain.policy import Policy
from cihealing.domain.proof import faults, is_flake, proof_runs
from cihealing.domain.react import react
from cihealing.domain.run import RunState
from cihealing.domain.values import (
    SERVICE,
    Actor,
    Colour,
    ExecutionRef,
    FailureClass,
    Observation,
    Purpose,
)
from cihealing.effects.judge_proof import compared

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COMMIT, BASE, HEAD = "c" * 40, "b" * 40, "d" * 40
HASH = "v1:" + "a" * 64
ANN = Actor(kind="person", name="ann")
RUN = UUID(int=7)
EXECUTION = ExecutionRef(provider="generic", host="", job_run_id="1")
TEST = "tests/test_a.py::test_x"


def queued(**fields: object) -> e.RunQueued:
    facts: dict[str, object] = {
        "provider": "generic",
        "repository": "acme/shop",
        "branch": "main",
        "commit": COMMIT,
        "job": "test",
        "execution": EXECUTION,
        "finished_at": NOW,
        "error_hash": HASH,
        "strong": True,
        "error_type": "AssertionError",
        "summary": "assert 1 == 2",
        "failed_tests": (TEST,),
        "failure": "f" * 64,
        "policy": "e" * 64,
    }
    return e.RunQueued(**{**facts, **fields})  # type: ignore[arg-type]


def observation(
    colour: Colour, *, commit: str = COMMIT, tests: bool = True, **fields: object
) -> Observation:
    red = colour is Colour.RED
    facts: dict[str, object] = {
        "colour": colour,
        "exit_code": {Colour.RED: 1, Colour.GREEN: 0}.get(colour),
        "command": "pytest",
        "commit": commit,
        "tree": "t" * 40,
        "environment": "box",
        "seconds": 1.0,
        "error_hash": HASH if red else "",
        "error_type": "AssertionError" if red else "",
        "counts_tests": tests,
        "failed_tests": (TEST,) if red and tests else (),
        "passed_tests": ("tests/test_a.py::test_y",)
        if red or not tests
        else (TEST, "tests/test_a.py::test_y"),
        "collected": 2 if tests else 0,
    }
    return Observation(**{**facts, **fields})  # type: ignore[arg-type]


RED, GREEN = observation(Colour.RED), observation(Colour.GREEN)


def seen(purpose: Purpose, colour: Colour, **fields: object) -> Observation:
    canary = {"canary_red": True, "passed_tests": (TEST,)} if purpose is Purpose.CANARY else {}
    return observation(colour, **{**canary, **fields})  # type: ignore[arg-type]


def always(purpose: Purpose, number: int) -> Observation:
    """A deterministic failure that the patch heals."""
    patched = purpose in (Purpose.SCREEN, Purpose.GREEN, Purpose.BASE)
    return seen(
        purpose,
        Colour.GREEN if patched else Colour.RED,
        commit=BASE if purpose is Purpose.BASE else COMMIT,
    )


def flaky(odds: float, seed: int) -> Callable[[Purpose, int], Observation]:
    """A failure that comes and goes with `odds`, patch or not."""
    dice = random.Random(seed)

    def run(purpose: Purpose, number: int) -> Observation:
        red = dice.random() < odds
        failing = (TEST,) if red else ()
        if purpose is Purpose.CANARY:
            passing = () if red else (TEST,)
            return seen(
                purpose, Colour.RED, failed_tests=("canary", *failing), passed_tests=passing
            )
        return seen(
            purpose,
            Colour.RED if red else Colour.GREEN,
            commit=BASE if purpose is Purpose.BASE else COMMIT,
        )

    return run


@dataclass
class World:
    """Runs effects one after the other until nothing but timers is left."""

    run_command: Callable[[Purpose, int], Observation] = always
    patches: list[str] = field(default_factory=lambda: ["p" * 64])
    rerun: str = "green"
    failure_class: FailureClass = FailureClass.PRODUCT
    policy: Policy = field(default_factory=Policy)
    queued: e.RunQueued = field(default_factory=queued)
    leader: UUID | None = None
    head: str = HEAD
    now: datetime = NOW
    envelopes: list[e.Envelope] = field(default_factory=list)
    timers: list[f.Effect] = field(default_factory=list)
    pending: list[f.Effect] = field(default_factory=list)
    ran: int = 0

    @property
    def run(self) -> RunState:
        return fold(RUN, self.envelopes)

    @property
    def events(self) -> list[e.AnyEvent]:
        return [envelope.event for envelope in self.envelopes]

    def of(self, kind: type) -> list[e.AnyEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    def handle(self, command: c.RunCommand) -> RunState:
        before = self.run
        events = decide(before, command, policy=self.policy, now=self.now)
        new = [
            e.Envelope(event=event, at=self.now, actor=SERVICE, source="test", run_id=RUN)
            for event in events
        ]
        after = before
        for envelope in new:
            after = evolve(after, envelope)
        self.envelopes += new
        for _, effect in react(after, events, policy=self.policy, now=self.now):
            (self.timers if isinstance(effect, f.Timer) else self.pending).append(effect)
        return after

    def heal(self) -> RunState:
        if not self.envelopes:
            self.handle(c.QueueRun(queued=self.queued))
        while self.pending:
            self.step(self.pending.pop(0))
        return self.run

    def step(self, effect: f.Effect) -> None:
        self.now += timedelta(seconds=1)
        command = self.answer(effect)
        if command is not None:
            self.handle(command)

    def answer(self, effect: f.Effect) -> c.RunCommand | None:
        match effect:
            case f.Classify():
                return c.RecordClass(
                    failure_class=self.failure_class,
                    confidence=0.9,
                    signs=(),
                    steps=PLAYBOOKS[self.failure_class],
                )
            case f.FindProject():
                return c.RecordProject(command="pytest", source="policy")
            case f.RunCommand(purpose=purpose, attempt=attempt, patch=patch):
                return c.RecordObservation(
                    purpose=purpose, seen=self.observe(purpose), attempt=attempt, patch=patch
                )
            case f.FindBlame():
                base = self.observe(Purpose.BASE)
                return c.RecordBlame(
                    seen=base,
                    reason="the base was run",
                    target="main",
                    head=self.head,
                    leader=self.leader,
                )
            case f.AskRerun(number=number):
                return c.RecordRerun(number=number, handle=f"h{number}")
            case f.CollectRerun():
                return c.RecordRerunFinished(outcome=self.rerun, execution=EXECUTION)
            case f.TryFixers():
                return self.fix()
            case f.JudgeProof(attempt=number):
                return self.judge(number)
            case f.Publish():
                return c.RecordPublished(url="local", commit=HEAD, merged=True)
            case f.WriteReport():
                return c.RecordReport(report="r" * 64, owner=None, diagnosis=None)
            case _:
                return None

    def observe(self, purpose: Purpose) -> Observation:
        self.ran += 1
        at = BASE if purpose is Purpose.BASE else self.run.head
        return msgspec.structs.replace(self.run_command(purpose, self.ran), commit=at)

    def fix(self) -> c.RunCommand:
        if not self.patches:
            return c.SkipStep(step="fixers", reason="none left")
        patch = self.patches.pop(0)
        return c.RecordPatch(fixer=f"fixer {patch[0]}", told="changed it", patch=patch)

    def judge(self, number: int) -> c.RunCommand:
        run = self.run
        assert run.proving is not None
        others = compared(run)
        found = faults(run, proof_runs(run.proving), others=others, policy=self.policy)
        return c.RecordProof(
            number=number, proof="9" * 64, faults=tuple(found), flake=is_flake(run)
        )
