"""Tell the diagnosis where the developers look: one neutral check run or one comment that is
edited; nothing where nothing is known.
"""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.effects.publish import forge_of, page_of, site_of
from cihealing.effects.shared.frames import failure_of
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import Tools
from cihealing.secrecy import masked_in
from cihealing.wording import changes as wording


def say(effect: f.Say, *, run: RunState, policy: Policy, tools: Tools) -> None:
    text = masked_in(wording.comment(run, failure_of(run, tools), url=page_of(run, tools)))
    forge, site = forge_of(run, policy, tools), site_of(run, policy, tools)
    if not text or forge.voice is None:
        return
    if forge.changes and forge.changes(site).opted_out(run.failure.commit):
        return
    forge.voice(site).say(text, run_id=str(run.id), commit=run.failure.commit, how=site.policy.say)


HANDLER = EffectHandler(f.Say, say)
