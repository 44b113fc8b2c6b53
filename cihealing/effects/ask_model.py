"""Ask a model for a patch: its answer is an attempt, of use or not; where nobody could answer, none
is spent.
"""

from __future__ import annotations

import msgspec

from cihealing import secrecy
from cihealing.diagnosis.prompting import injection, patching
from cihealing.diagnosis.prompting.answer import Answer
from cihealing.diagnosis.prompting.context import Context
from cihealing.diagnosis.prompting.prompt import fix_prompt
from cihealing.domain import effects as f
from cihealing.domain.commands import RecordAnswer, RecordNoAnswer
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Digest, Objection
from cihealing.effects.shared import asking
from cihealing.effects.shared.frames import denied_by
from cihealing.effects.shared.gathering import gather
from cihealing.effects.shared.handler import EffectHandler
from cihealing.effects.shared.observing import project_of
from cihealing.ports import PatchRefused, Tools


def ask_model(
    effect: f.AskModel, *, run: RunState, policy: Policy, tools: Tools
) -> RecordAnswer | RecordNoAnswer:
    if off := asking.why_off(policy, tools):
        return RecordNoAnswer(number=effect.number, reason=off)
    context = gather(run, policy=policy, tools=tools, purpose="fix")
    language = tools.models.language
    prompt = fix_prompt(context, language=language, budget=policy.ai.context_tokens)
    asked = asking.ask(prompt, run=run, number=effect.number, policy=policy, tools=tools)
    if not asked.spent:
        return RecordNoAnswer(
            number=effect.number,
            calls=asked.calls,
            reason=asked.reason,
            delay=asked.delay,
            budget=asked.budget,
        )
    return _judged(effect.number, asked, context, run=run, policy=policy, tools=tools)


HANDLER = EffectHandler(f.AskModel, ask_model)


def _judged(
    number: int,
    asked: asking.Reply,
    context: Context,
    *,
    run: RunState,
    policy: Policy,
    tools: Tools,
) -> RecordAnswer:
    answer = asked.answer
    spent = RecordAnswer(
        number=number,
        calls=asked.calls,
        diagnoser=asked.diagnoser,
        reason=f"the model's answer is of no use: {asked.reason}",
    )
    if answer is None:
        return spent
    told = secrecy.masked(answer.proposed_fix)[:500]
    if wrong := asking.faults(answer, context.failure.excerpt):
        return _with(spent, proposed_fix=told, reason=f"the diagnosis is refused: {wrong}")
    spent = _with(spent, proposed_fix=told, diagnosis=asking.diagnosis_of(answer, asked.diagnoser))
    if not answer.known:
        why = secrecy.masked(answer.root_cause)[:500]
        return _with(spent, reason=f"the model does not know: {why}")
    try:
        patch, notes = _patch(answer, run, policy, tools)
    except patching.NotApplicable as problem:
        return _with(
            spent, reason=f"the patch does not apply: {secrecy.masked(str(problem))[:500]}"
        )
    stored = tools.artifacts.put(patch.encode("utf-8", "surrogateescape"), kind="patch")
    objections = _objections(patch, stored, context, run=run, policy=policy, tools=tools)
    return _with(
        spent, patch=stored, objections=(*objections, *(_noted(note) for note in notes)), reason=""
    )


def _with(command: RecordAnswer, **fields: object) -> RecordAnswer:
    return msgspec.structs.replace(command, **fields)


def _patch(
    answer: Answer, run: RunState, policy: Policy, tools: Tools
) -> tuple[str, tuple[str, ...]]:
    """(a unified diff against the head that git takes, what is to be said of it). Raises
    NotApplicable, TransientError, PermanentError.
    """
    rules, where = policy.repository(run.failure.repository), (run.failure.repository, run.head)
    with tools.trees.stored(*where, policy=rules) as stored:
        patch = patching.to_patch(answer, stored)
    # What is stored is what the guard sees: it refuses a patch that holds the marker of a masked
    # value.
    text = secrecy.masked_in(patch.text)
    try:
        with tools.trees.stored(*where, policy=rules, patch=text) as made:
            wrong = [p for p, content in patch.after.items() if made.read(p) != content]
    except PatchRefused as refused:
        why = str(refused).removeprefix("the patch does not apply: ")
        raise patching.NotApplicable(why) from None
    if wrong and text == patch.text:
        raise patching.NotApplicable(f"git makes something else of {wrong[0]} than was meant")
    return text, patch.notes


def _noted(note: str) -> Objection:
    return Objection(rule="name-differs", text=note, hard=False)


def _objections(
    patch: str, stored: Digest, context: Context, *, run: RunState, policy: Policy, tools: Tools
) -> tuple[Objection, ...]:
    found = list(
        tools.guard(
            patch,
            policy=policy,
            repository=policy.repository(run.failure.repository),
            denied=denied_by(context.failure, workdir=project_of(run, tools).path),
        )
    )
    if stored in tools.history.refused_patches(run.failure.repository, run.failure.error_hash):
        found.append(
            Objection(
                rule="refused-before",
                text="a person refused this patch for this failure",
                hard=True,
            )
        )
    return (*found, *_addressed(patch), *_suspicions(context))


def _addressed(patch: str) -> list[Objection]:
    """What the patch writes into the project and speaks to the next model that reads it."""
    lines = [
        line[1:]
        for line in patch.splitlines()
        if line.startswith("+") and not line.startswith("+++ ")
    ]
    rules = dict.fromkeys(finding.rule for finding in injection.findings(lines))
    return [
        Objection(
            rule=rule,
            text=f"the patch holds words for a model: {injection.RULES[rule]}",
            hard=False,
        )
        for rule in rules
    ]


def _suspicions(context: Context) -> list[Objection]:
    """Text that tries to instruct a model stops nothing, but then a person looks at what came of
    it.
    """
    lines = [line.text for line in context.failure.excerpt] + [
        line for snippet in context.snippets for line in snippet.text.splitlines()
    ]
    rules = dict.fromkeys(finding.rule for finding in injection.findings(lines))
    return [
        Objection(
            rule=rule,
            text=f"what the model was shown tries to instruct it: {injection.RULES[rule]}",
            hard=False,
        )
        for rule in rules
    ]
