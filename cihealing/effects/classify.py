"""Choose the playbook: what the log said, bounded by what policy lets the service do here."""

from __future__ import annotations

import msgspec

from cihealing.domain import effects as f
from cihealing.domain.commands import RecordClass
from cihealing.domain.playbooks import PLAYBOOKS
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Failure, Mode
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import Tools


def classify(effect: f.Classify, *, run: RunState, policy: Policy, tools: Tools) -> RecordClass:
    failure = msgspec.json.decode(tools.artifacts.text(run.failure.artifact), type=Failure)
    # Forks get a diagnosis only: their code is nobody's that policy names.
    may_run = (
        policy.repository(run.failure.repository).mode in (Mode.PROPOSE, Mode.OPEN)
        and not run.failure.fork
    )
    return RecordClass(
        failure_class=failure.failure_class,
        confidence=failure.confidence,
        signs=failure.signs,
        steps=PLAYBOOKS[failure.failure_class] if may_run else (),
    )


HANDLER = EffectHandler(f.Classify, classify)
