"""Ask a model what it believes of an escalated failure, so that the report says more. The report is
written whatever comes of it.
"""

from __future__ import annotations

from cihealing.diagnosis.prompting.prompt import explain_prompt
from cihealing.domain import effects as f
from cihealing.domain.commands import RecordExplanation
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.effects.shared import asking
from cihealing.effects.shared.gathering import gather
from cihealing.effects.shared.handler import EffectHandler
from cihealing.ports import Tools


def explain(effect: f.Explain, *, run: RunState, policy: Policy, tools: Tools) -> RecordExplanation:
    if off := asking.why_off(policy, tools):
        return RecordExplanation(reason=off)
    context = gather(run, policy=policy, tools=tools, purpose="explain")
    prompt = explain_prompt(
        context, language=tools.models.language, budget=policy.ai.context_tokens
    )
    asked = asking.ask(prompt, run=run, number=0, policy=policy, tools=tools)
    answer = asked.answer
    if answer is None:
        return RecordExplanation(calls=asked.calls, reason=asked.reason)
    if wrong := asking.faults(answer, context.failure.excerpt):
        return RecordExplanation(
            calls=asked.calls, reason=f"the model's diagnosis is refused: {wrong}"
        )
    if not answer.known:
        return RecordExplanation(calls=asked.calls, reason="the model does not know what broke")
    return RecordExplanation(
        calls=asked.calls, diagnosis=asking.diagnosis_of(answer, asked.diagnoser)
    )


HANDLER = EffectHandler(f.Explain, explain)
