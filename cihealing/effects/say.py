"""Tell the diagnosis where the developers look: one neutral check run or one comment that is
edited; nothing where nothing is known.
"""

from __future__ import annotations

from cihealing.domain import effects as f
from cihealing.domain.policy import Policy
from cihealing.domain.run import Run
from cihealing.effects.publish import forge_of, page_of
from cihealing.effects.shared.frames import failure_of
from cihealing.ports import Tools
from cihealing.secrecy import masked_in
from cihealing.wording import changes


def say(effect: f.Say, *, run: Run, policy: Policy, tools: Tools) -> None:
    repository, settings = policy.repository(run.repository), tools.settings
    text = masked_in(changes.comment(run, failure_of(run, tools), url=page_of(run, tools)))
    forge = forge_of(run, policy, tools)
    if not text or forge.opted_out(
        run.repository, run.commit, policy=repository, settings=settings
    ):
        return
    forge.say(
        run_id=str(run.id),
        repository=run.repository,
        commit=run.commit,
        change="",
        text=text,
        how=repository.say,
        policy=repository,
        settings=settings,
    )
