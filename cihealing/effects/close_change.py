"""Close a change of ours that is not wanted any more, and say why there."""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.effects.publish import forge_of, site_of
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import Tools
from cihealing.secrecy import masked


def close_change(effect: f.CloseChange, *, run: RunState, policy: Policy, tools: Tools) -> None:
    forge = forge_of(run, policy, tools)
    if forge.changes is None:
        return
    changes = forge.changes(site_of(run, policy, tools))
    changes.close(effect.url, run_id=str(run.id), reason=masked(effect.reason))


HANDLER = EffectHandler(f.CloseChange, close_change)
