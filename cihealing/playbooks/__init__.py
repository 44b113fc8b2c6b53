"""Remediation by failure class, as data: one file a class, each a tuple of step names of
`domain.plan`.
"""

from __future__ import annotations

from collections.abc import Mapping

from cihealing.domain.values import FailureClass
from cihealing.playbooks import automation, data, env, flaky, infra, product, unknown

PLAYBOOKS: Mapping[FailureClass, tuple[str, ...]] = {
    FailureClass.INFRA: infra.STEPS,
    FailureClass.ENV: env.STEPS,
    FailureClass.DATA: data.STEPS,
    FailureClass.FLAKY: flaky.STEPS,
    FailureClass.PRODUCT: product.STEPS,
    FailureClass.AUTOMATION: automation.STEPS,
    FailureClass.UNKNOWN: unknown.STEPS,
}


def steps(failure_class: FailureClass) -> tuple[str, ...]:
    """What is tried for this class, in order; where nothing is left the run escalates."""
    return PLAYBOOKS[failure_class]
