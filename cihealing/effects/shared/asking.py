"""Asking a model: which one, with whose money, and what of its answer can be used. Shared by
attempts and explanations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
from pydantic import ValidationError

from cihealing import secrecy, service
from cihealing.diagnosis.prompting import citations
from cihealing.diagnosis.prompting.answer import Answer
from cihealing.diagnosis.prompting.prompt import Prompt
from cihealing.domain.commands import ModelCall
from cihealing.domain.policy import Policy
from cihealing.domain.run import RunState
from cihealing.domain.values import Diagnosis, FailureClass, Hypothesis, Line, Sign, Usage
from cihealing.failpoints import failpoint
from cihealing.ports import Model, ModelFailed, ModelReply, ModelRequest, Tools

CHARS_PER_TOKEN = 3.0
"""A low estimate, so that what is reserved is not less than what is spent."""
PAUSE = 30.0
"""Seconds until a model is asked again where nobody named a time; doubles with every pause."""
LONGEST_PAUSE = 1800.0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came of asking. `reason` says why there is no usable `answer`; `delay` in seconds where
    asking again later is worth it.
    """

    calls: tuple[ModelCall, ...] = ()
    answer: Answer | None = None
    diagnoser: str = ""
    reason: str = ""
    spent: bool = False
    """Something came back and was paid for: the attempt is spent, whatever it was."""
    delay: float | None = None
    budget: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    provider: str
    model: str


def why_off(policy: Policy, tools: Tools) -> str:
    """Why no model can be asked here, with the setting that would change it; empty where one
    can.
    """
    if tools.model is None:
        return "no model is built in"
    named = providers(policy, tools)
    missing = [tools.model.configured(name) for name in named]
    if named and not all(missing):
        return ""
    return f"AI is off: {'; '.join(dict.fromkeys(missing)) or tools.model.none_configured}"


def providers(policy: Policy, tools: Tools) -> list[str]:
    """In the order they are asked: policy's, else the setting's, else whichever has a key."""
    named = [*(policy.ai.provider or tools.models.ai_provider)]
    model = tools.model
    asked = model.names() if model else ()
    return named or [name for name in asked if model and not model.configured(name)]


def choices(model: Model, number: int, policy: Policy, tools: Tools) -> Iterator[Choice]:
    for position, provider in enumerate(providers(policy, tools)):
        if model.configured(provider):
            continue
        own = _laddered(number, policy) if position == 0 else ""
        name = own or model.default_model(provider)
        if name:
            yield Choice(provider=provider, model=name)


def _laddered(number: int, policy: Policy) -> str:
    """Cheap first, strong last; what explains a failure is cheap."""
    ladder = policy.ai.ladder
    return ladder[min(max(number, 1), len(ladder)) - 1] if ladder else policy.ai.model


def ask(prompt: Prompt, *, run: RunState, number: int, policy: Policy, tools: Tools) -> Reply:
    """Ask the providers in order until one answers. Raises Cancelled."""
    model = tools.model
    if model is None or (off := why_off(policy, tools)):
        return Reply(reason=off if model else "no model is built in")
    sent = _masked(prompt)
    stored = tools.artifacts.put(
        msgspec.json.encode({"system": sent.system, "prompt": sent.user}), kind="prompt"
    )
    found = Reply(
        reason="no provider has a model: set <PROVIDER>_DEFAULT_MODEL, or `ai: model` in policy"
    )
    for choice in choices(model, number, policy, tools):
        found = _one(
            model, choice, sent, stored, found, run=run, number=number, policy=policy, tools=tools
        )
        if found.answer or found.spent or found.budget:
            break
    return found


def _masked(prompt: Prompt) -> Prompt:
    """Nothing unredacted is sent: code and diffs were not read by the redactor yet."""
    return replace(
        prompt, system=secrecy.masked_in(prompt.system), user=secrecy.masked(prompt.user)
    )


def _one(
    model: Model,
    choice: Choice,
    prompt: Prompt,
    stored: str,
    before: Reply,
    *,
    run: RunState,
    number: int,
    policy: Policy,
    tools: Tools,
) -> Reply:
    base = ModelCall(
        provider=choice.provider,
        model=choice.model,
        region=policy.ai.region,
        prompt=stored,
        prompt_version=prompt.version,
        outcome="",
    )
    try:
        hold = service.reserve(
            run,
            number=number,
            provider=choice.provider,
            model=choice.model,
            usd=_worst(model, choice, prompt, policy),
            policy=policy,
        )
    except service.OverBudget as over:
        return replace(before, reason=str(over), budget=over.scope, delay=None)
    try:
        reply = model.ask(_request(choice, prompt, policy))
    except ModelFailed as failed:
        service.settle(hold, usd=0.0, how="unanswered")
        return _failed(base, failed, before, run)
    failpoint("model.after_call")
    cost = _cost(model, choice, reply, policy)
    service.settle(hold, usd=cost, how="answered")
    return _came(base, reply, cost, before, tools)


def _request(choice: Choice, prompt: Prompt, policy: Policy) -> ModelRequest:
    return ModelRequest(
        provider=choice.provider,
        model=choice.model,
        system=prompt.system,
        prompt=prompt.user,
        max_output_tokens=policy.ai.max_output_tokens,
        timeout=policy.ai.timeout,
    )


def _worst(model: Model, choice: Choice, prompt: Prompt, policy: Policy) -> float:
    """USD the call may cost at most."""
    tokens = int((len(prompt.system) + len(prompt.user)) / CHARS_PER_TOKEN) + 500
    return _price(model, choice, tokens, policy.ai.max_output_tokens, 0, policy)


def _cost(model: Model, choice: Choice, reply: ModelReply, policy: Policy) -> float:
    return _price(
        model, choice, reply.input_tokens, reply.output_tokens, reply.cached_tokens, policy
    )


def _price(
    model: Model, choice: Choice, sent: int, came: int, cached: int, policy: Policy
) -> float:
    known = model.price(
        choice.provider, choice.model, input_tokens=sent, output_tokens=came, cached_tokens=cached
    )
    return (
        known
        if known is not None
        else (sent + came) * policy.ai.unknown_price_usd_per_million / 1_000_000
    )


def _failed(base: ModelCall, failed: ModelFailed, before: Reply, run: RunState) -> Reply:
    told = secrecy.masked(str(failed))[:500]
    call = msgspec.structs.replace(
        base, outcome=failed.kind, problem=told, usage=Usage(seconds=failed.seconds)
    )
    delay = _pause(failed, run) if failed.again else None
    soonest = min((d for d in (before.delay, delay) if d is not None), default=None)
    return Reply(calls=(*before.calls, call), reason=f"{base.provider}: {told}", delay=soonest)


def _pause(failed: ModelFailed, run: RunState) -> float:
    named = failed.retry_after if failed.retry_after is not None else PAUSE * 2**run.models.pauses
    return min(max(named, 1.0), LONGEST_PAUSE)


def _came(base: ModelCall, reply: ModelReply, cost: float, before: Reply, tools: Tools) -> Reply:
    answer, problem = _read(reply)
    text = secrecy.masked(reply.text)
    outcome = "malformed" if problem and reply.outcome == "answered" else reply.outcome
    call = msgspec.structs.replace(
        base,
        answer=tools.artifacts.put(text, kind="answer") if text else "",
        outcome=outcome,
        problem=secrecy.masked(problem)[:500],
        cached_tokens=reply.cached_tokens,
        usage=Usage(
            seconds=reply.seconds,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            cost_usd=cost,
        ),
    )
    diagnoser = f"{base.provider}/{base.model}"
    return Reply(
        calls=(*before.calls, call), answer=answer, diagnoser=diagnoser, reason=problem, spent=True
    )


def _read(reply: ModelReply) -> tuple[Answer | None, str]:
    if reply.outcome != "answered":
        return None, reply.problem or f"the answer was {reply.outcome}"
    try:
        return Answer.model_validate_json(reply.text), ""
    except ValidationError as error:
        return None, f"the answer is not of the schema: {error.error_count()} problems"


def faults(answer: Answer, excerpt: Sequence[Line]) -> str:
    """Why its diagnosis is not believed; empty where every citation holds."""
    found = citations.faults(answer, excerpt)
    return f"its citations do not hold: {'; '.join(found[:3])}" if found else ""


def diagnosis_of(answer: Answer, diagnoser: str) -> Diagnosis:
    """Its citations must have been checked."""
    cause = secrecy.masked(answer.root_cause)[:2_000]
    signs = tuple(
        Sign(rule="cited", line=c.line, text=secrecy.masked(c.text)[:500]) for c in answer.citations
    )
    hypotheses = (Hypothesis(text=cause, signs=signs),) if signs and cause else ()
    return Diagnosis(
        root_cause=cause,
        failure_class=FailureClass(answer.failure_class),
        confidence=answer.confidence if answer.known else 0.0,
        hypotheses=hypotheses,
        proposed_fix=secrecy.masked(answer.proposed_fix)[:500],
        diagnoser=diagnoser,
    )
