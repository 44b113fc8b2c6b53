"""Whether what a person did heals the failing commit in the sandbox too: then it is remembered for
failures like this one.
"""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.commands import RecordHumanFix
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Colour
from cihealing.effects.shared.handler import EffectHandler
from cihealing.effects.shared.observing import observe
from cihealing.ports import Tools


def check_human_fix(
    effect: f.CheckHumanFix, *, run: RunState, policy: Policy, tools: Tools
) -> RecordHumanFix | None:
    """The failing commit was seen red before; with the fix it must be green as often as a proof
    asks.
    """
    if not run.local.reproduced or not run.project.artifact:
        return None
    patch = tools.trees.between(
        run.failure.repository,
        run.failure.commit,
        effect.commit,
        policy=policy.repository(run.failure.repository),
    )
    if not patch:
        return None
    for _ in range(policy.proof_repeats.green):
        if (
            observe(run, run.failure.commit, policy=policy, tools=tools, patch=patch).colour
            is not Colour.GREEN
        ):
            return None
    return RecordHumanFix(
        commit=effect.commit,
        patch=tools.artifacts.put(patch.encode("utf-8", "surrogateescape"), kind="patch"),
    )


HANDLER = EffectHandler(f.CheckHumanFix, check_human_fix)
