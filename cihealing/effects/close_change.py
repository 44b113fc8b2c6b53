"""Close a change of ours that is not wanted any more, and say why there."""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.policy import Policy
from cihealing.domain.run import Run
from cihealing.effects.publish import forge_of
from cihealing.ports import Tools
from cihealing.secrecy import masked


def close_change(effect: f.CloseChange, *, run: Run, policy: Policy, tools: Tools) -> None:
    repository, reason = policy.repository(run.repository), masked(effect.reason)
    forge_of(run, policy, tools).close(
        effect.url, run_id=str(run.id), reason=reason, policy=repository, settings=tools.settings
    )
