"""What `cihealing doctor` says of other sides: models, forges, CIs, Slack. Without `--online`
nothing is asked of anybody.
"""

from __future__ import annotations

from cihealing import policy_file, registry
from cihealing.cli.shared.findings import Advice, bad, note, ok
from cihealing.effects.shared import asking
from cihealing.ports import Check, ModelFailed, ModelRequest, PermanentError, TransientError
from cihealing.settings import Own

QUESTION = "Answer with known=false and empty lists and texts; this is a test of the connection."


def models() -> Advice:
    policy, tools = policy_file.current()[0], registry.tools()
    if off := asking.why_off(policy, tools):
        return note("models", f"{off}; fixers, reruns and proofs need none")
    where = policy.ai.repositories
    allowed = (
        "the repositories that policy names"
        if where is None
        else ", ".join(where) or "no repository (ai: repositories is empty)"
    )
    asked = (
        ", ".join(f"{c.provider}/{c.model}" for c in asking.choices(tools.model, 1, policy, tools))
        if tools.model
        else ""
    )
    state = note if where == () else ok
    return state(
        "models",
        f"{asked or 'no model is named'}; may be shown {allowed}; at most {policy.ai.daily_usd:.2f}"
        " USD a day",
    )


def call() -> Advice:
    """One real, tiny question."""
    policy, tools = policy_file.current()[0], registry.tools()
    if tools.model is None or (off := asking.why_off(policy, tools)):
        return note(
            "model call", "none was made: " + (off if tools.model else "no model is built in")
        )
    for choice in asking.choices(tools.model, 1, policy, tools):
        asked = ModelRequest(
            provider=choice.provider,
            model=choice.model,
            system=QUESTION,
            prompt="Answer.",
            max_output_tokens=500,
            timeout=30,
        )
        try:
            reply = tools.model.ask(asked)
        except ModelFailed as failed:
            return bad("model call", f"{choice.provider}/{choice.model}: {failed.kind}: {failed}")
        state = ok if reply.outcome == "answered" else bad
        return state(
            "model call",
            f"{choice.provider}/{choice.model}: {reply.outcome} in {reply.seconds:.1f} s"
            f" {reply.problem}".strip(),
        )
    return note("model call", "no model is named: set <PROVIDER>_DEFAULT_MODEL")


def standings() -> list[Advice]:
    """How things stand with each provider, as the settings tell."""
    policy = policy_file.current()[0]
    told = {
        name: standing(registry.own(name), policy)
        for name, standing in registry.offered(lambda one: one.standing).items()
    }
    return [(ok if one.fine else note)(name, one.told) for name, one in told.items()]


def asked() -> list[Advice]:
    """What each provider is asked of its own."""
    return [
        answer(check, registry.own(name))
        for name, one in registry.PROVIDERS.items()
        for check in one.checks
    ]


def answer(check: Check[Own], settings: Own) -> Advice:
    """One question to another side; what it answers is something to look at, that it does not is a
    fault.
    """
    if excuse := check.excuse(settings):
        return note(check.subject, excuse)
    try:
        found = check.question(settings)
    except (PermanentError, TransientError) as error:
        return bad(check.subject, str(error))
    return note(check.subject, "; ".join(found)) if found else ok(check.subject, check.fine)


def local() -> list[Advice]:
    return [models(), *standings()]


def online() -> list[Advice]:
    return [*asked(), call()]
