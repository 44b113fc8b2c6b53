"""Run the project's command once, for one purpose."""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.commands import RecordObservation
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Purpose
from cihealing.effects.shared.handler import EffectHandler
from cihealing.effects.shared.observing import observe
from cihealing.ports import Tools

VARIANTS = {Purpose.DEBUG: "verbose", Purpose.ISOLATE: "isolated"}
NAMING_TESTS = (Purpose.ISOLATE, Purpose.CANARY)
"""The canary stands beside the failing tests: under the same configuration, skips and filters."""


def run_command(
    effect: f.RunCommand, *, run: RunState, policy: Policy, tools: Tools
) -> RecordObservation:
    seen = observe(
        run,
        effect.commit,
        policy=policy,
        tools=tools,
        patch=tools.artifacts.patch(effect.patch) if effect.patch else "",
        canary=effect.purpose is Purpose.CANARY,
        variant=VARIANTS.get(effect.purpose, ""),
        tests=run.failure.failed_tests if effect.purpose in NAMING_TESTS else (),
    )
    return RecordObservation(
        purpose=effect.purpose, seen=seen, attempt=effect.attempt, patch=effect.patch
    )


HANDLER = EffectHandler(f.RunCommand, run_command)
